import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ManualClock } from '#base/manual-clock.ts';
import { adminIdentity, apiServerIdentity, issueForNode, nodeIdentity } from './cluster-identities.ts';
import { kubeconfigFor } from './kubeconfig.ts';
import { ensurePki } from './pki.ts';

const DAY_MS = 24 * 3_600_000;
let directory: string;
let clock: ManualClock;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kedge-pki-'));
  clock = new ManualClock(Date.now());
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = () => ensurePki({ directory, clock });
const server = () => apiServerIdentity({ addresses: ['10.96.0.1', '172.30.0.1', 'fd00::10'] });

/** What each side learns of the other, or the error that ended the handshake. */
async function handshake({ serverPair, clientPair, ca, host }: HandshakeOptions) {
  const options = {
    cert: serverPair.certificate,
    key: serverPair.key,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const listener = createServer(options);
  const peers: TLSSocket[] = [];
  const accepted = new Promise<TLSSocket>((resolve, reject) => {
    listener.on('secureConnection', resolve).on('tlsClientError', reject);
    listener.on('secureConnection', (peer) => peers.push(peer));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const own = { cert: clientPair.certificate, key: clientPair.key };
  const socket = connect({ host: '127.0.0.1', port, servername: host, ca, ...own });
  const connected = new Promise<void>((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject));
  try {
    const [peer] = await Promise.all([accepted, connected]);
    return { authorized: socket.authorized, subject: peer.getPeerX509Certificate()?.subject };
  } finally {
    socket.destroy();
    for (const peer of peers) peer.destroy();
    await new Promise((resolve) => listener.close(resolve));
  }
}
interface HandshakeOptions {
  serverPair: { certificate: string; key: string };
  clientPair: { certificate: string; key: string };
  ca: string;
  host: string;
}

describe('the certificates of a cluster', () => {
  test('a client and the API server verify each other, and groups are organizations', async () => {
    const pki = open();
    const result = await handshake({
      serverPair: pki.issueServer('apiserver', server()),
      clientPair: pki.issueClient('node-1-kubelet', nodeIdentity('node-1')),
      ca: pki.caCertificate,
      host: 'kubernetes.default.svc.cluster.local',
    });
    expect(result).toEqual({ authorized: true, subject: 'O=system:nodes\nCN=system:node:node-1' });
  });

  test('the handshake fails for a name that the certificate does not hold', async () => {
    const pki = open();
    const attempt = handshake({
      serverPair: pki.issueServer('apiserver', server()),
      clientPair: pki.issueClient('admin', adminIdentity),
      ca: pki.caCertificate,
      host: 'example.com',
    });
    await expect(attempt).rejects.toThrow(/does not match certificate's altnames/);
  });

  test('the handshake fails for a client of another cluster', async () => {
    const other = mkdtempSync(join(tmpdir(), 'kedge-pki-'));
    try {
      const stranger = ensurePki({ directory: other, clock });
      const pki = open();
      const attempt = handshake({
        serverPair: pki.issueServer('apiserver', server()),
        clientPair: stranger.issueClient('admin', adminIdentity),
        ca: pki.caCertificate,
        host: 'localhost',
      });
      await expect(attempt).rejects.toThrow();
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  test('the server certificate holds every name and address, IPv6 included', () => {
    const certificate = new X509Certificate(open().issueServer('apiserver', server()).certificate);
    for (const address of ['127.0.0.1', '10.96.0.1', '172.30.0.1', '::1', 'fd00::10'])
      expect(certificate.checkIP(address), address).toBeDefined();
    for (const name of ['kubernetes', 'kubernetes.default.svc', 'localhost'])
      expect(certificate.checkHost(name), name).toBe(name);
  });

  test('a leaf is signed by the CA, is no CA, and serves one purpose', () => {
    const pki = open();
    const ca = new X509Certificate(pki.caCertificate);
    const leaf = new X509Certificate(pki.issueClient('admin', adminIdentity).certificate);
    expect({ ca: ca.ca, leafIsCa: leaf.ca, issued: leaf.checkIssued(ca), signed: leaf.verify(ca.publicKey) }).toEqual({
      ca: true,
      leafIsCa: false,
      issued: true,
      signed: true,
    });
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(leaf.serialNumber).not.toBe(ca.serialNumber);
  });

  test('survive a restart', () => {
    const first = open();
    const before = [first.caCertificate, first.serviceAccountKey, first.issueServer('apiserver', server())];
    const second = open();
    expect([second.caCertificate, second.serviceAccountKey, second.issueServer('apiserver', server())]).toEqual(before);
  });

  test('are renewed when two thirds of their time are over; the CA stays', () => {
    const pki = open();
    const before = pki.issueClient('admin', adminIdentity);
    clock.advance(240 * DAY_MS);
    expect(open().issueClient('admin', adminIdentity)).toEqual(before);
    clock.advance(10 * DAY_MS);
    const renewed = open();
    expect(renewed.caCertificate).toBe(pki.caCertificate);
    const after = renewed.issueClient('admin', adminIdentity);
    expect(after).not.toEqual(before);
    expect(Date.parse(new X509Certificate(after.certificate).validTo) - clock.now()).toBeGreaterThan(364 * DAY_MS);
  });

  test('are made anew when something else is asked for under the name', () => {
    const pki = open();
    const before = pki.issueServer('apiserver', server());
    const moved = apiServerIdentity({ addresses: ['10.97.0.1'] });
    expect(pki.issueServer('apiserver', moved)).not.toEqual(before);
    expect(pki.issueClient('x', { user: 'a', groups: ['g'] })).not.toEqual(pki.issueClient('x', { user: 'a' }));
  });

  test('are made anew when a leaf on disk is damaged', () => {
    const before = open().issueClient('admin', adminIdentity);
    writeFileSync(join(directory, 'admin.crt'), before.certificate.slice(0, 200));
    expect(open().issueClient('admin', adminIdentity)).not.toEqual(before);
  });

  test('a CA without its key, or past its end, is not replaced silently', () => {
    open();
    clock.advance(3651 * DAY_MS);
    expect(open).toThrow(/ca\.crt has expired/);
    clock = new ManualClock(Date.now());
    unlinkSync(join(directory, 'ca.key'));
    expect(open).toThrow(/ca\.key is missing/);
  });

  test('files are for the owner only, and nothing half written is left', () => {
    const pki = open();
    issueForNode(pki, 'node-1', ['10.0.0.2']);
    for (const file of readdirSync(directory)) {
      expect(statSync(join(directory, file)).mode & 0o777, file).toBe(0o600);
      expect(file).toMatch(/\.(crt|key)$/);
    }
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(directory, 'ca.key'), 'utf8')).toContain('PRIVATE KEY');
  });

  test.each(['../evil', 'a/b', '', '.hidden', 'UPPER'])('refuses the file name %j', (name) => {
    expect(() => open().issueClient(name, adminIdentity)).toThrow(/cannot be the name/);
  });
});

test('a kubeconfig holds cluster, user and context under the given name', () => {
  const pki = open();
  const client = pki.issueClient('admin', adminIdentity);
  const text = kubeconfigFor({
    name: 'kedge-dev',
    server: 'https://127.0.0.1:6443',
    caCertificate: pki.caCertificate,
    client,
  });
  const config = parse(text);
  expect(config['current-context']).toBe('kedge-dev');
  expect(config.contexts).toEqual([{ context: { cluster: 'kedge-dev', user: 'kedge-dev' }, name: 'kedge-dev' }]);
  const [{ user }] = config.users;
  expect(Buffer.from(user['client-certificate-data'], 'base64').toString()).toBe(client.certificate);
  expect(Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString()).toBe(
    pki.caCertificate,
  );
});
