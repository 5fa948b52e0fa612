/**
 * Issues X.509 certificates (RFC 5280) for keys on P-256. Node.js can verify certificates but not make them; a library
 * that can costs 100 ms of a cold start, this costs 1 ms a certificate. What is made here is verified with OpenSSL in tests.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { elementOf, partsOf, wholeBitsIn } from '#api/certificates/v1/der.ts';
import * as der from './der-writer.ts';

/** PEM, both. */
export interface KeyPair {
  certificate: string;
  key: string;
}

export interface CertificateRequest {
  commonName: string;
  /** Kubernetes reads groups from these. */
  organizations?: readonly string[];
  names?: readonly string[];
  addresses?: readonly string[];
  /** In place of both names above: DER. */
  subject?: Uint8Array;
  usage: 'ca' | 'server' | 'client';
  notBeforeMs: number;
  notAfterMs: number;
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
} as const;

export const pemOfKey = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const generateKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

/** A new private key on P-256, as PEM (PKCS #8). */
export const newKey = (): string => pemOfKey(generateKey());

/** A CA, read once. */
export interface Authority {
  certificate: string;
  name: Uint8Array;
  key: KeyObject;
  publicKey: KeyObject;
}

export function authorityOf({ certificate, key: pem }: KeyPair): Authority {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new Error('the key of the cluster CA must be an EC key on P-256');
  return { certificate, name: subjectOf(new X509Certificate(certificate)), key, publicKey: createPublicKey(key) };
}

export function selfSigned(request: CertificateRequest): KeyPair {
  const key = generateKey();
  const publicKey = createPublicKey(key);
  const certificate = certificateOf(request, publicKey, {
    name: request.subject ?? nameOf(request),
    key,
    publicKey,
  });
  return { certificate, key: pemOfKey(key) };
}

export function signedBy(authority: Authority, request: CertificateRequest): KeyPair {
  const key = generateKey();
  return { certificate: certificateOf(request, createPublicKey(key), authority), key: pemOfKey(key) };
}

function certificateOf(
  request: CertificateRequest,
  key: KeyObject,
  issuer: Pick<Authority, 'name' | 'key' | 'publicKey'>,
): string {
  const algorithm = der.sequence(der.objectIdentifier(OID.ecdsaWithSha256));
  const toSign = der.sequence(
    der.explicit(0, der.unsignedInteger(Uint8Array.of(2))), // version 3
    der.unsignedInteger(randomBytes(16)),
    algorithm,
    issuer.name,
    der.sequence(der.time(request.notBeforeMs), der.time(request.notAfterMs)),
    request.subject ?? nameOf(request),
    publicKeyInfo(key),
    der.explicit(3, der.sequence(...extensionsOf(request, { key, issuer: issuer.publicKey }))),
  );
  const signature = der.bitString(sign('sha256', toSign, issuer.key));
  return pemOfCertificate(der.sequence(toSign, algorithm, signature));
}

export const pemOfCertificate = (bytes: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${(bytes.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;

/** Organizations first, then the common name, as Go writes it. */
export function nameOf({
  commonName,
  organizations = [],
}: Pick<CertificateRequest, 'commonName' | 'organizations'>): Buffer {
  const attribute = (oid: string, value: string) =>
    der.set(der.sequence(der.objectIdentifier(oid), der.utf8String(value)));
  return der.sequence(
    ...organizations.map((one) => attribute(OID.organization, one)),
    attribute(OID.commonName, commonName),
  );
}

function extensionsOf(request: CertificateRequest, keys: { key: KeyObject; issuer: KeyObject }): Buffer[] {
  const { usage } = request;
  const isCa = usage === 'ca';
  // Bits from the left: 0 digital signature, 2 key encipherment, 5 certificate signing.
  const keyUsage = isCa ? der.bitString(Uint8Array.of(0xa4), 2) : der.bitString(Uint8Array.of(0xa0), 5);
  const extensions = [
    extension(OID.keyUsage, keyUsage, 'critical'),
    extension(OID.basicConstraints, isCa ? der.sequence(der.boolean(true)) : der.sequence(), 'critical'),
    extension(OID.subjectKeyIdentifier, der.octetString(keyIdentifierOf(keys.key))),
    extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, keyIdentifierOf(keys.issuer)))),
  ];
  if (!isCa) extensions.push(extension(OID.extendedKeyUsage, der.sequence(der.objectIdentifier(OID[usage]))));
  const alternatives = alternativeNames(request);
  if (alternatives) extensions.push(alternatives);
  return extensions;
}

/** The extension; undefined for none. */
export function alternativeNames({
  names = [],
  addresses = [],
}: Pick<CertificateRequest, 'names' | 'addresses'>): Buffer | undefined {
  if (names.length + addresses.length === 0) return undefined;
  const value = der.sequence(
    ...names.map((name) => der.implicit(2, Buffer.from(name, 'ascii'))),
    ...addresses.map((address) => der.implicit(7, addressBytes(address))),
  );
  return extension(OID.subjectAlternativeName, value);
}

const extension = (oid: string, value: Uint8Array, critical?: 'critical'): Buffer =>
  der.sequence(der.objectIdentifier(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));

export const publicKeyInfo = (publicKey: KeyObject): Buffer => publicKey.export({ type: 'spki', format: 'der' });

/** SHA-1 of the public key's bits: an identifier (RFC 5280, 4.2.1.2), not a protection. */
export function keyIdentifierOf(key: KeyObject): Buffer {
  const [, bits] = partsOf(elementOf(publicKeyInfo(key)));
  return createHash('sha1').update(wholeBitsIn(bits)).digest();
}

/** The subject's bytes: version, serial, algorithm, issuer, validity, subject. */
export function subjectOf(certificate: X509Certificate): Uint8Array {
  const [toBeSigned] = partsOf(elementOf(certificate.raw));
  const subject = partsOf(toBeSigned)[5];
  if (!subject) throw new Error('the certificate has no subject');
  return subject.whole;
}

/** 4 or 16 bytes, in network order. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIP(address)) throw new Error(`${address} is not an IP address`);
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text ? text.split(':').flatMap(groupsOf) : []);
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = new Array<number>(8 - left.length - right.length).fill(0);
  return Buffer.from([...left, ...middle, ...right].flatMap((group) => [group >> 8, group & 0xff]));
}

function groupsOf(text: string): number[] {
  if (!text.includes('.')) return [Number.parseInt(text, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}
