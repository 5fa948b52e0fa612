/** Signs a certificate request with the cluster's CA: its subject, names and key, and none of its other wishes. */
import { randomBytes, sign, X509Certificate } from 'node:crypto';
import { parseIp } from '#api/machinery/ip.ts';
import type { CertificateSigner, SigningOrder } from '#control-plane/controllers/certificates/signing.ts';
import { type Authority, keyIdentifierOf, pemOfCertificate } from './certificate.ts';
import * as der from './der-writer.ts';

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Bits of the key usage extension, from the left. */
const KEY_USAGES: Readonly<Record<string, number>> = {
  signing: 0,
  'digital signature': 0,
  'content commitment': 1,
  'key encipherment': 2,
  'data encipherment': 3,
  'key agreement': 4,
  'cert sign': 5,
  'crl sign': 6,
  'encipher only': 7,
  'decipher only': 8,
};

const PURPOSES: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

export function certificateSignerOf(authority: Authority): CertificateSigner {
  const endsMs = Date.parse(new X509Certificate(authority.certificate).validTo);
  return { sign: (order) => signed(order, authority, endsMs) };
}

/** Never longer than the CA's own time. Throws when that is over. */
function signed(order: SigningOrder, authority: Authority, endsMs: number): string {
  if (order.notBeforeMs >= endsMs)
    throw new Error(`the signer has expired: NotAfter=${new Date(endsMs).toISOString()}`);
  const { request } = order;
  const algorithm = der.sequence(der.objectIdentifier(OID.ecdsaWithSha256));
  const toSign = der.sequence(
    der.explicit(0, der.unsignedInteger(Uint8Array.of(2))), // version 3
    der.unsignedInteger(randomBytes(16)),
    algorithm,
    authority.name,
    der.sequence(der.time(order.notBeforeMs), der.time(Math.min(order.notAfterMs, endsMs))),
    request.subject.raw,
    request.publicKey,
    der.explicit(3, der.sequence(...extensionsOf(order, authority))),
  );
  const signature = der.bitString(sign('sha256', toSign, authority.key));
  return pemOfCertificate(der.sequence(toSign, algorithm, signature));
}

function extensionsOf({ request, usages }: SigningOrder, authority: Authority): Buffer[] {
  const unknown = usages.filter((usage) => !Object.hasOwn(KEY_USAGES, usage) && !Object.hasOwn(PURPOSES, usage));
  if (unknown.length > 0) throw new Error(`unrecognized usage values: ${JSON.stringify(unknown)}`);
  const bits = usages.flatMap((usage) => KEY_USAGES[usage] ?? []);
  const purposes = [...new Set(usages.flatMap((usage) => PURPOSES[usage] ?? []))].sort();
  const names = alternativeNames(request);
  return [
    ...(bits.length > 0 ? [extension(OID.keyUsage, bitsOf(bits), 'critical')] : []),
    ...(purposes.length > 0
      ? [extension(OID.extendedKeyUsage, der.sequence(...purposes.map((oid) => der.objectIdentifier(oid))))]
      : []),
    extension(OID.basicConstraints, der.sequence(), 'critical'),
    extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, keyIdentifierOf(authority.publicKey)))),
    ...(names.length > 0 ? [extension(OID.subjectAlternativeName, der.sequence(...names))] : []),
  ];
}

const extension = (oid: string, value: Uint8Array, critical?: 'critical'): Buffer =>
  der.sequence(der.objectIdentifier(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));

/** DER wants no zero bits behind the last one that is set. */
function bitsOf(set: readonly number[]): Buffer {
  const last = Math.max(...set);
  const bytes = Buffer.alloc((last >> 3) + 1);
  for (const bit of set) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return der.bitString(bytes, 7 - (last & 7));
}

const alternativeNames = ({ dnsNames, ipAddresses, emailAddresses, uris }: SigningOrder['request']): Buffer[] => [
  ...dnsNames.map((name) => der.implicit(2, Buffer.from(name, 'latin1'))),
  ...emailAddresses.map((name) => der.implicit(1, Buffer.from(name, 'latin1'))),
  ...ipAddresses.map((address) => der.implicit(7, parseIp(address) ?? Buffer.alloc(0))),
  ...uris.map((uri) => der.implicit(6, Buffer.from(uri, 'latin1'))),
];
