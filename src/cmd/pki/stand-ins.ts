/**
 * Certificates that have the subjects of authorities and nothing else of them. A server that is given them asks clients for
 * certificates of those authorities, as it should, and believes none by itself: whoever judges who shows one is then handed
 * all that the client has shown. (Node.js 24 keeps back the chain of a client that TLS has found good.)
 */
import type { X509Certificate } from 'node:crypto';
import { certificatesIn } from '#control-plane/apiserver/authentication/client-certificate.ts';
import { selfSigned, subjectOf } from './certificate.ts';

/** `authorities` and the result: PEM, any number of them, one at the least. */
export const standInsFor = (authorities: string): string => certificatesIn(authorities).map(standInFor).join('');

function standInFor(authority: X509Certificate): string {
  const { validFrom, validTo } = authority;
  const time = { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
  return selfSigned({ commonName: '', subject: subjectOf(authority), usage: 'ca', ...time }).certificate;
}
