/**
 * What a certificate says of what it may be used for (RFC 5280, 4.1 and 4.2), read from its DER: Node.js tells little of it, and
 * passes over an extension that is there twice. Throws Error for what cannot be read, which is then good for nothing.
 */
import type { X509Certificate } from 'node:crypto';
import { contextTag, type Element, elementOf, elementsIn, TAG } from '#api/certificates/v1/der.ts';

export interface CertificateFacts {
  /** DER, in hexadecimal digits. */
  subject: string;
  issuer: string;
  /** AlgorithmIdentifier: DER, in hexadecimal digits. */
  signatureAlgorithm: string;
  isAuthority: boolean;
  /** As it is of version 1, nothing says what it is for: whoever believes in it must know. */
  hasExtensions: boolean;
  /** How many intermediates may come below it. */
  maxPathLength: number;
  /** DER of the identifiers, in hexadecimal digits; none of them: for everything. */
  usages: readonly string[];
  hasAlternativeNames: boolean;
  constrainsNames: boolean;
  /** The last of its extensions that must be understood and is not. */
  notUnderstood: string | undefined;
}

const BASIC_CONSTRAINTS = '0603551d13';
const KEY_USAGE = '0603551d0f';
const EXTENDED_KEY_USAGE = '0603551d25';
const ALTERNATIVE_NAMES = '0603551d11';
const NAME_CONSTRAINTS = '0603551d1e';
/** What upstream takes as understood where it is critical, less what is about policies only. */
const UNDERSTOOD = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  EXTENDED_KEY_USAGE,
  ALTERNATIVE_NAMES,
  NAME_CONSTRAINTS,
  '0603551d1f', // cRLDistributionPoints
  '0603551d20', // certificatePolicies
]);
const UNLIMITED = Number.POSITIVE_INFINITY;
const CERTIFICATE_SIGNING = 0x04;
/** GeneralName: an email address, a DNS name, a URI, an IP address. */
const UNDERSTOOD_NAMES = new Set([0x81, 0x82, 0x86, 0x87]);

export function factsOf({ raw }: X509Certificate): CertificateFacts {
  const [signed, algorithm] = elementsIn(elementOf(raw).content);
  const fields = signed ? elementsIn(signed.content) : [];
  if (fields[0]?.tag === contextTag(0)) fields.shift();
  const [, inner, issuer, , subject] = fields;
  if (!algorithm || !inner || !issuer || !subject) throw new Error('the certificate is cut short');
  if (hex(algorithm.whole) !== hex(inner.whole)) throw new Error('the certificate names two signature algorithms');
  const extensions = extensionsIn(fields);
  const value = (identifier: string) => extensions.get(identifier)?.value;
  const constraints = value(BASIC_CONSTRAINTS);
  const [isCa, length] = constraints || extensions.size > 0 ? basicConstraintsIn(constraints) : [false, UNLIMITED];
  return {
    subject: hex(subject.whole),
    issuer: hex(issuer.whole),
    signatureAlgorithm: hex(algorithm.whole),
    isAuthority: isCa && maySign(value(KEY_USAGE)),
    hasExtensions: extensions.size > 0,
    maxPathLength: length,
    usages: (value(EXTENDED_KEY_USAGE) ? elementsIn(value(EXTENDED_KEY_USAGE)!.content) : []).map(({ whole }) =>
      hex(whole),
    ),
    hasAlternativeNames: extensions.has(ALTERNATIVE_NAMES),
    constrainsNames: extensions.has(NAME_CONSTRAINTS),
    notUnderstood: [...extensions].find(([id, { critical }]) => critical && !isUnderstood(id, value(id)!))?.[0],
  };
}

function isUnderstood(identifier: string, value: Element): boolean {
  if (identifier !== NAME_CONSTRAINTS) return UNDERSTOOD.has(identifier);
  const names = elementsIn(value.content).flatMap((list) =>
    elementsIn(list.content).map((subtree) => elementsIn(subtree.content)[0]?.tag ?? 0),
  );
  return names.every((tag) => UNDERSTOOD_NAMES.has(tag));
}

function extensionsIn(fields: readonly Element[]): Map<string, { critical: boolean; value: Element }> {
  const extensions = new Map<string, { critical: boolean; value: Element }>();
  const list = fields.slice(6).find(({ tag }) => tag === contextTag(3));
  for (const extension of list ? elementsIn(elementOf(list.content).content) : []) {
    const parts = elementsIn(extension.content);
    const [identifier] = parts;
    const value = parts.at(-1);
    if (!identifier || value?.tag !== TAG.octetString) throw new Error('an extension is cut short');
    const id = hex(identifier.whole);
    if (extensions.has(id)) throw new Error('an extension is there twice');
    const critical = parts.length > 2 && parts[1]!.content[0] !== 0;
    extensions.set(id, { critical, value: elementOf(value.content) });
  }
  return extensions;
}

function basicConstraintsIn(value: Element | undefined): [isCa: boolean, maxPathLength: number] {
  const [first, second] = value ? elementsIn(value.content) : [];
  if (first?.tag !== TAG.boolean || first.content[0] === 0) return [false, 0];
  if (!second) return [true, UNLIMITED];
  if (second.tag !== TAG.integer || second.content.length !== 1) throw new Error('the path length cannot be read');
  return [true, second.content[0]!];
}

/** The first byte of the bits comes after the number of bits that are unused. Without the extension it may do everything. */
const maySign = (usage: Element | undefined): boolean =>
  usage === undefined || ((usage.content[1] ?? 0) & CERTIFICATE_SIGNING) !== 0;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
