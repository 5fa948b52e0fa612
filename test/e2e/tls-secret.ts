/** Certificates of a test's own hosts, that sign themselves, as a Secret holds them. */
import { selfSigned } from '#cmd/pki/certificate.ts';
import { object } from './conformance/playground.ts';

export function tlsData(commonName: string, ...names: string[]) {
  const life = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
  const { certificate, key } = selfSigned({ commonName, names, usage: 'server', ...life });
  return { 'tls.crt': certificate, 'tls.key': key };
}

/** By the name of the Secret clients tell which certificate they were shown. */
export const tlsSecret = (name: string, ...hosts: string[]) =>
  object('Secret', name, { type: 'kubernetes.io/tls', stringData: tlsData(name, ...hosts) });
