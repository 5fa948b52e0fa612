/** A certificate signing request (PKCS #10, RFC 2986) for a new key on P-256. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { alternativeNames, nameOf, pemOfKey, publicKeyInfo } from './certificate.ts';
import * as der from './der-writer.ts';

export interface AskedCertificate {
  commonName: string;
  organizations?: readonly string[];
  names?: readonly string[];
  addresses?: readonly string[];
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';

/** PEM, both. */
export function requestCertificate(asked: AskedCertificate): { key: string; request: string } {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const names = alternativeNames(asked);
  const attributes = names ? [der.sequence(der.objectIdentifier(EXTENSION_REQUEST), der.set(der.sequence(names)))] : [];
  const toSign = der.sequence(
    der.unsignedInteger(Uint8Array.of(0)),
    nameOf(asked),
    publicKeyInfo(createPublicKey(key)),
    der.explicit(0, ...attributes),
  );
  const algorithm = der.sequence(der.objectIdentifier(ECDSA_WITH_SHA256));
  const bytes = der.sequence(toSign, algorithm, der.bitString(sign('sha256', toSign, key)));
  const lines = (bytes.toString('base64').match(/.{1,64}/g) ?? []).join('\n');
  const request = `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
  return { key: pemOfKey(key), request };
}
