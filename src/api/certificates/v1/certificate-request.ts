/** What a certificate request asks for (PKCS #10, RFC 2986), read without any belief in it. */
import { formatIp } from '#api/machinery/ip.ts';
import {
  contentOf,
  contextTag,
  type Element,
  elementOf,
  MalformedDer,
  objectIdentifierIn,
  partsOf,
  TAG,
  textIn,
  wholeBitsIn,
} from './der.ts';
import { pemBlocksIn } from './pem.ts';

export interface CertificateRequest {
  subject: {
    commonName: string;
    organizations: readonly string[];
    /** What stands under any of its names, by object identifier: `2.5.4.6` is the country. */
    valuesOf(type: string): readonly string[];
    /** As it came, DER. */
    raw: Uint8Array;
  };
  dnsNames: readonly string[];
  /** As text, and as bytes for who signs. */
  ipAddresses: readonly string[];
  emailAddresses: readonly string[];
  uris: readonly string[];
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array;
  /** What the signature is over. */
  signed: Uint8Array;
  /** Object identifier. */
  signatureAlgorithm: string;
  signature: Uint8Array;
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const ALTERNATIVE_NAME = '2.5.29.17';
/** Far more than any request has. */
const MAX_BYTES = 64 * 1024;

export type ParsedCertificateRequest = { request: CertificateRequest } | { problem: string };

/** `pem`: the field spec.request, decoded from base64. */
export function parseCertificateRequest(pem: string): ParsedCertificateRequest {
  const [block] = pemBlocksIn(pem.slice(0, MAX_BYTES));
  if (block?.type !== 'CERTIFICATE REQUEST') return { problem: 'PEM block type must be CERTIFICATE REQUEST' };
  try {
    return { request: requestIn(block.bytes) };
  } catch (error) {
    if (error instanceof MalformedDer) return { problem: error.message };
    throw error;
  }
}

function requestIn(der: Uint8Array): CertificateRequest {
  const [info, algorithm, signature] = partsOf(elementOf(der));
  const [version, subject, publicKey, attributes] = partsOf(info);
  contentOf(version, TAG.integer);
  partsOf(publicKey);
  if (!info || !subject || !publicKey) throw new MalformedDer('asn1: syntax error: sequence truncated');
  return {
    subject: { ...namesIn(subject), raw: subject.whole },
    ...alternativeNamesIn(attributes),
    publicKey: publicKey.whole,
    signed: info.whole,
    signatureAlgorithm: objectIdentifierIn(partsOf(algorithm)[0]),
    signature: wholeBitsIn(signature),
  };
}

function namesIn(subject: Element): Omit<CertificateRequest['subject'], 'raw'> {
  const pairs = partsOf(subject)
    .flatMap((set) => partsOf(set, TAG.set))
    .map((attribute) => {
      const [type, value] = partsOf(attribute);
      if (!value) throw new MalformedDer('asn1: syntax error: sequence truncated');
      return { type: objectIdentifierIn(type), text: textIn(value) };
    });
  const of = (wanted: string) => pairs.flatMap(({ type, text }) => (type === wanted ? [text] : []));
  return { commonName: of(COMMON_NAME).at(-1) ?? '', organizations: of(ORGANIZATION), valuesOf: of };
}

type AlternativeNames = Pick<CertificateRequest, 'dnsNames' | 'ipAddresses' | 'emailAddresses' | 'uris'>;

function alternativeNamesIn(attributes: Element | undefined): AlternativeNames {
  const names = {
    dnsNames: [] as string[],
    ipAddresses: [] as string[],
    emailAddresses: [] as string[],
    uris: [] as string[],
  };
  for (const name of generalNamesIn(attributes)) {
    const text = () => new TextDecoder().decode(name.content);
    if (name.tag === contextTag(1, false)) names.emailAddresses.push(text());
    if (name.tag === contextTag(2, false)) names.dnsNames.push(text());
    if (name.tag === contextTag(6, false)) names.uris.push(text());
    if (name.tag === contextTag(7, false)) {
      const { length } = name.content;
      if (length !== 4 && length !== 16) throw new MalformedDer(`x509: cannot parse IP address of length ${length}`);
      names.ipAddresses.push(formatIp(name.content));
    }
  }
  return names;
}

function generalNamesIn(attributes: Element | undefined): Element[] {
  if (!attributes) return [];
  return partsOf(attributes, contextTag(0)).flatMap((attribute) => {
    const [type, values] = partsOf(attribute);
    if (objectIdentifierIn(type) !== EXTENSION_REQUEST) return [];
    const extensions = partsOf(values, TAG.set).flatMap((list) => partsOf(list));
    return extensions.flatMap((extension) => {
      const parts = partsOf(extension);
      if (objectIdentifierIn(parts[0]) !== ALTERNATIVE_NAME) return [];
      return partsOf(elementOf(contentOf(parts.at(-1), TAG.octetString)));
    });
  });
}
