/** Chains as they come over TLS: what a client shows beside its own certificate is known of a connection only. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { standInsFor } from '#cmd/pki/stand-ins.ts';
import type { Incoming } from '../http/exchange.ts';
import { clientCertificateOf } from '../http/exchange.ts';
import { createServer as createHttpServer } from '../http/server.ts';
import { ClientCertificates } from './client-certificate.ts';

let folder: string;
const file = (name: string) => readFileSync(join(folder, name), 'utf8');
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

/** `name.crt` and `name.key`, signed by `issuer`, or by itself. */
function issue(
  name: string,
  issuer: string,
  extensions: string,
  days = '3650',
  { subject = name, hash = 'sha256' } = {},
): void {
  writeFileSync(join(folder, `${name}.ext`), extensions);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  openssl('req', '-new', ...key, '-subj', `/CN=${subject}/O=devs`, '-out', `${name}.csr`);
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
    `-${hash}`,
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
  issue('server', 'root', 'keyUsage=digitalSignature');
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
  issue('twin', 'twin', CA, '3650', { subject: 'root' });
  issue('oscar', 'twin', LEAF);
  issue('posing', 'posing', LEAF, '3650', { subject: 'root' });
  issue('narrow', 'root', 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign');
  issue('below', 'narrow', CA);
  issue('peggy', 'below', LEAF);
  issue('quinn', 'narrow', LEAF);
  issue('crl', 'root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=cRLSign');
  issue('ruth', 'crl', LEAF);
  issue('plain', 'root', 'keyUsage=keyCertSign');
  issue('sam', 'plain', LEAF);
  issue('weak', 'root', LEAF, '3650', { hash: 'sha1' });
  issue('riddle', 'root', `${LEAF}\n1.2.3.4=critical,ASN1:NULL`);
  issue('bound', 'root', `${CA}\nnameConstraints=critical,permitted;dirName:only\n[only]\nO=others`);
  issue('trent', 'bound', LEAF);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Shown {
  days?: number;
  version?: SecureVersion;
  authorities?: string[];
}

/** Who the server takes a client for that shows these certificates, the first of them its own. */
async function knownAs(
  shown: readonly string[],
  { days = 0, version = 'TLSv1.3', authorities = [file('root.crt')] }: Shown = {},
): Promise<string | undefined> {
  const clock = new ManualClock(Date.now() + days * 86_400_000);
  const certificates = new ClientCertificates({ authorities, clock });
  const pair = { cert: file('server.crt'), key: file('server.key') };
  const ca = standInsFor(authorities.join(''));
  const server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false, ca, maxVersion: version });
  const answer = new Promise<string | undefined>((resolve, reject) => {
    server.once('tlsClientError', reject); // else a client that is refused there would be waited for
    server.once('secureConnection', (socket) => {
      socket.on('error', () => undefined); // the client hangs up
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
  const ciphers = 'DEFAULT@SECLEVEL=0'; // a client may show what it would not take itself
  const own = { cert, key: file(`${shown[0]}.key`), ciphers };
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...own });
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
  [['alice', 'root', 'middle', 'middle', 'lower'], 'alice'], // in whatever order
  [['oscar', 'twin'], undefined], // whose authority has taken the name of one that is believed
  [['oscar', 'root'], undefined],
  [['posing'], undefined],
  [['quinn', 'narrow'], 'quinn'],
  [['peggy', 'below', 'narrow'], undefined], // an authority more than may be
  [['ruth', 'crl'], undefined], // an authority that may not sign certificates
  [['sam', 'plain'], undefined], // no authority
  [['weak'], undefined], // SHA-1
  [['riddle'], undefined], // what must be understood is not
  [['trent', 'bound'], undefined],
])('a client that shows %j is %s', async (shown, name) => {
  expect(await knownAs(shown, { version: 'TLSv1.3' })).toBe(name);
  expect(await knownAs(shown, { version: 'TLSv1.2' })).toBe(name);
});

test('of a bundle each authority is believed', async () => {
  const authorities = [`${file('root.crt')}${file('other.crt')}`];
  expect(await knownAs(['mallory'], { authorities })).toBe('mallory');
  expect(await knownAs(['oscar', 'twin'], { authorities })).toBeUndefined();
});

test('a chain is good as long as all of it', async () => {
  expect(await knownAs(['alice', 'lower', 'middle'], { days: 2 })).toBe('alice');
  await expect(knownAs(['dave', 'short'], { days: 2 })).rejects.toMatchObject({ reason: 'Unauthorized' });
  await expect(knownAs(['quinn', 'narrow'], { days: 4000 })).rejects.toMatchObject({ reason: 'Unauthorized' });
});

test('a server that judges for itself says whose certificates it wants', async () => {
  const pair = { cert: file('root.crt'), key: file('root.key') };
  const ca = standInsFor(`${file('root.crt')}${file('other.crt')}`);
  const server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false, ca });
  server.on('secureConnection', (socket) => socket.on('error', () => undefined)); // the client hangs up
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

test('a client that comes back on a connection of its own is known again by what it shows', async () => {
  const clock = new ManualClock(Date.now());
  const certificates = new ClientCertificates({ authorities: [file('root.crt')], clock });
  const server = createHttpServer({
    certificate: file('server.crt'),
    key: file('server.key'),
    clientCaCertificate: standInsFor(file('root.crt')),
    serve: (exchange) => {
      const name = certificates.known(clientCertificateOf(exchange.request)!)?.commonName;
      exchange.send(200, { type: 'text/plain', body: Buffer.from(name ?? 'nobody') });
    },
    upgrade: (_request, socket) => socket.destroy(),
    clock,
    log: silentLog,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const cert = ['alice', 'lower', 'middle'].map((name) => file(`${name}.crt`)).join('');
  const agent = new Agent({ keepAlive: false, rejectUnauthorized: false, cert, key: file('alice.key') }); // keeps sessions
  const ask = async () => {
    const request = get({ host: '127.0.0.1', port, agent });
    request.on('error', () => undefined); // after the answer; before it, `once` throws it
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    return (await answer.setEncoding('utf8').toArray()).join('');
  };
  try {
    expect([await ask(), await ask(), await ask()]).toEqual(['alice', 'alice', 'alice']);
  } finally {
    agent.destroy();
    await server.close(0);
  }
});
