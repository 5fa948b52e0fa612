/**
 * Certificates that have the subjects of authorities and nothing else of them. A server that is given them asks clients for
 * certificates of those authorities, as it should, and believes none by itself: whoever judges who shows one is then handed
 * all that the client has shown. (Node.js 24 keeps back the chain of a client that TLS has found good.)
 */
import { X509Certificate } from 'node:crypto';
import { selfSigned, subjectOf } from './certificate.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** `authorities` and the result: PEM, any number of them. */
export function standInsFor(authorities: string): string {
  return [...authorities.matchAll(CERTIFICATE)].map(([pem]) => standInFor(new X509Certificate(pem))).join('');
}

function standInFor(authority: X509Certificate): string {
  const { validFrom, validTo } = authority;
  const time = { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
  return selfSigned({ commonName: '', subject: subjectOf(authority), usage: 'ca', ...time }).certificate;
}
