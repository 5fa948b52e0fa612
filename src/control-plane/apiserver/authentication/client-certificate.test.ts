/** Chains as they come over TLS: what a client shows beside its own certificate is known of a connection only. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { standInsFor } from '#cmd/pki/stand-ins.ts';
import type { Incoming } from '../http/exchange.ts';
import { clientCertificateOf } from '../http/exchange.ts';
import { ClientCertificates } from './client-certificate.ts';

let folder: string;
const file = (name: string) => readFileSync(join(folder, name), 'utf8');
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

/** `name.crt` and `name.key`, signed by `issuer`, or by itself. */
function issue(name: string, issuer: string, extensions: string, days = '3650'): void {
  writeFileSync(join(folder, `${name}.ext`), extensions);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  openssl('req', '-new', ...key, '-subj', `/CN=${name}/O=devs`, '-out', `${name}.csr`);
  const signer = issuer === name ? ['-signkey', `${name}.key`] : ['-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`];
  const serial = ['-set_serial', String(Math.floor(Math.random() * 1e9))];
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    ...signer,
    ...serial,
    '-days',
    days,
    '-extfile',
    `${name}.ext`,
    '-out',
    `${name}.crt`,
  );
}

const CA = 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign';
const LEAF = 'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-chain-'));
  issue('root', 'root', CA);
  issue('middle', 'root', CA);
  issue('lower', 'middle', CA);
  issue('short', 'root', CA, '1');
  issue('servers', 'root', `${CA}\nextendedKeyUsage=serverAuth`);
  issue('alice', 'lower', LEAF);
  issue('bob', 'alice', LEAF);
  issue('carol', 'servers', LEAF);
  issue('dave', 'short', LEAF);
  issue('eve', 'root', 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth');
  issue('other', 'other', CA);
  issue('mallory', 'other', LEAF);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Who the server takes a client for that shows these certificates, the first of them its own. */
async function knownAs(shown: readonly string[], days = 0): Promise<string | undefined> {
  const clock = new ManualClock(Date.now() + days * 86_400_000);
  const certificates = new ClientCertificates({ authorities: [file('root.crt')], clock });
  const pair = { cert: file('root.crt'), key: file('root.key') };
  const ca = standInsFor(file('root.crt'));
  const server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false, ca });
  const answer = new Promise<string | undefined>((resolve, reject) => {
    server.once('secureConnection', (socket) => {
      try {
        const certificate = clientCertificateOf({ socket } as unknown as Incoming)!;
        resolve(certificates.known(certificate)?.commonName);
      } catch (error) {
        reject(error);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cert = shown.map((name) => file(`${name}.crt`)).join('');
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, cert, key: file(`${shown[0]}.key`) });
  client.on('error', () => undefined); // the server hangs up
  try {
    return await answer;
  } finally {
    client.destroy();
    server.close();
  }
}

test.each<[string[], string | undefined]>([
  [['alice', 'lower', 'middle'], 'alice'],
  [['alice', 'lower', 'middle', 'root'], 'alice'],
  [['alice', 'lower'], undefined],
  [['alice'], undefined],
  [['bob', 'alice', 'lower', 'middle'], undefined], // whom alice signs is nobody
  [['carol', 'servers'], undefined], // an authority for servers
  [['dave', 'short'], 'dave'],
  [['eve'], undefined],
  [['mallory', 'other'], undefined],
  [['mallory', 'middle', 'root'], undefined],
])('a client that shows %j is %s', async (shown, name) => {
  expect(await knownAs(shown)).toBe(name);
});

test('a chain is good as long as all of it', async () => {
  expect(await knownAs(['alice', 'lower', 'middle'], 2)).toBe('alice');
  await expect(knownAs(['dave', 'short'], 2)).rejects.toMatchObject({ reason: 'Unauthorized' });
});

test('a server that judges for itself says whose certificates it wants', async () => {
  const pair = { cert: file('root.crt'), key: file('root.key') };
  const ca = standInsFor(`${file('root.crt')}${file('other.crt')}`);
  const server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false, ca });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`], { stdio: ['pipe', 'pipe', 'ignore'] });
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) {
    text += part;
    if (text.includes('Client Certificate Types') || text.includes('Requested Signature Algorithms')) break;
  }
  child.kill();
  server.close();
  expect(text).toMatch(/Acceptable client certificate CA names\nCN ?= ?root, O ?= ?devs\nCN ?= ?other, O ?= ?devs\n/);
});
