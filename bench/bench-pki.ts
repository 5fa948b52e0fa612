/** Certificates as a cluster has them (P-256), for the bare servers that are the floor. */
import type { SecureClientSessionOptions } from 'node:http2';
import { ensurePki } from '#cmd/pki/pki.ts';
import type { KeyPair } from '#cmd/pki/certificate.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { Bench } from './bench.ts';

export interface BenchPki {
  ca: string;
  server: KeyPair;
  clientTls: SecureClientSessionOptions;
}

export async function benchPki(bench: Bench): Promise<BenchPki> {
  const pki = ensurePki({ directory: await bench.folder(), clock: systemClock });
  const client = pki.issueClient('bench', { user: 'bench', groups: [] });
  return {
    ca: pki.caCertificate,
    server: pki.issueServer('bench-server', { commonName: 'bench', names: ['localhost'], addresses: ['127.0.0.1'] }),
    clientTls: { ca: pki.caCertificate, cert: client.certificate, key: client.key },
  };
}
