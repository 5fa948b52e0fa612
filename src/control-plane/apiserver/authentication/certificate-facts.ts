/**
 * What a certificate says of what it may be used for (RFC 5280, 4.1 and 4.2), read from its DER: Node.js tells little of it, and
 * passes over an extension that is there twice. Throws Error for what cannot be read, which is then good for nothing.
 */
import type { X509Certificate } from 'node:crypto';

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

interface Element {
  tag: number;
  content: Uint8Array;
  /** With tag and length. */
  whole: Uint8Array;
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
  const [signed, algorithm] = childrenOf(elementAt(raw, 0));
  const fields = signed ? childrenOf(signed) : [];
  if (fields[0]?.tag === 0xa0) fields.shift();
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
    usages: (value(EXTENDED_KEY_USAGE) ? childrenOf(value(EXTENDED_KEY_USAGE)!) : []).map(({ whole }) => hex(whole)),
    hasAlternativeNames: extensions.has(ALTERNATIVE_NAMES),
    constrainsNames: extensions.has(NAME_CONSTRAINTS),
    notUnderstood: [...extensions].find(([id, { critical }]) => critical && !isUnderstood(id, value(id)!))?.[0],
  };
}

function isUnderstood(identifier: string, value: Element): boolean {
  if (identifier !== NAME_CONSTRAINTS) return UNDERSTOOD.has(identifier);
  const names = childrenOf(value).flatMap((list) =>
    childrenOf(list).map((subtree) => childrenOf(subtree)[0]?.tag ?? 0),
  );
  return names.every((tag) => UNDERSTOOD_NAMES.has(tag));
}

function extensionsIn(fields: readonly Element[]): Map<string, { critical: boolean; value: Element }> {
  const extensions = new Map<string, { critical: boolean; value: Element }>();
  const list = fields.slice(6).find(({ tag }) => tag === 0xa3);
  for (const extension of list ? childrenOf(elementAt(list.content, 0)) : []) {
    const parts = childrenOf(extension);
    const [identifier] = parts;
    const value = parts.at(-1);
    if (!identifier || value?.tag !== 0x04) throw new Error('an extension is cut short');
    const id = hex(identifier.whole);
    if (extensions.has(id)) throw new Error('an extension is there twice');
    const critical = parts.length > 2 && parts[1]!.content[0] !== 0;
    extensions.set(id, { critical, value: elementAt(value.content, 0) });
  }
  return extensions;
}

function basicConstraintsIn(value: Element | undefined): [isCa: boolean, maxPathLength: number] {
  const [first, second] = value ? childrenOf(value) : [];
  if (first?.tag !== 0x01 || first.content[0] === 0) return [false, 0];
  if (!second) return [true, UNLIMITED];
  if (second.tag !== 0x02 || second.content.length !== 1) throw new Error('the path length cannot be read');
  return [true, second.content[0]!];
}

/** The first byte of the bits comes after the number of bits that are unused. Without the extension it may do everything. */
const maySign = (usage: Element | undefined): boolean =>
  usage === undefined || ((usage.content[1] ?? 0) & CERTIFICATE_SIGNING) !== 0;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function childrenOf({ content }: Element): Element[] {
  const children: Element[] = [];
  for (let at = 0; at < content.length; ) {
    const child = elementAt(content, at);
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

/** Lengths of up to three bytes: more than TLS takes in one certificate. */
function elementAt(bytes: Uint8Array, at: number): Element {
  const first = bytes[at + 1];
  if (first === undefined) throw new RangeError('an element is cut short');
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first >= 0x80 && (lengthBytes === 0 || lengthBytes > 3)) throw new RangeError('a length cannot be read');
  let length = first < 0x80 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  const start = at + 2 + lengthBytes;
  if (start + length > bytes.length) throw new RangeError('an element is cut short');
  return { tag: bytes[at]!, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}
