/** A kubelet renews its certificates by itself: asked for, approved, signed, put in place, and connections go on. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { ensureCertificateRotation } from '#cmd/control-plane/node-certificates.ts';
import { authorityOf, selfSigned, signedBy } from '#cmd/pki/certificate.ts';
import { kubeletServerIdentity, nodeIdentity } from '#cmd/pki/cluster-identities.ts';
import { requestCertificate } from '#cmd/pki/request-certificate.ts';
import { RotatedPair } from '#cmd/pki/rotated-pair.ts';
import { certificateSignerOf } from '#cmd/pki/sign-request.ts';
import { certificateApproving } from '#control-plane/controllers/certificates/approving.ts';
import { kubeletServingApproving } from '#control-plane/controllers/certificates/approving-serving.ts';
import { certificateSigning } from '#control-plane/controllers/certificates/signing.ts';
import type { RotatedCertificate } from '#node/kubelet/certificates/certificate-rotation.ts';
import { startKubelet } from '#node/kubelet/start-kubelet.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { SimulatedRuntime } from '#node/runtime/simulated/simulated-runtime.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { noMounts } from '../node/simulated-kubelet.ts';

const MINUTE_MS = 60_000;
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS;
/** Of what the cluster gave. */
const LIFE_MS = 10 * MINUTE_MS;
const NODE = 'node-1';
const ADDRESS = '127.0.0.1';

interface Ground {
  cluster: TestCluster;
  port: number;
  client: RotatedPair;
  server: RotatedPair;
  folder: string;
  authority: string;
  caller: { cert: string; key: string; ca: string };
}

async function withRotation(body: (ground: Ground) => Promise<void>, addresses = [ADDRESS]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-rotation-'));
  const stop = new AbortController();
  try {
    // Certificates follow the cluster's own time; what TLS itself compares with the machine's is good for long.
    const nowMs = new ManualClock().now();
    const life = { notBeforeMs: nowMs - MINUTE_MS, notAfterMs: nowMs + LIFE_MS };
    const long = { notBeforeMs: nowMs - YEAR_MS, notAfterMs: Date.now() + YEAR_MS };
    const ca = authorityOf(selfSigned({ commonName: 'kubernetes', usage: 'ca', ...long }));
    const controllers = [certificateApproving, kubeletServingApproving, certificateSigning(certificateSignerOf(ca))];
    await using cluster = await startCluster({ controllers, rbac: true });
    await ensureCertificateRotation(cluster.client);
    await cluster.client.create(ClusterRoleBinding, {
      metadata: { name: 'reviewers' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'caller' }],
    });
    const authority = ca.certificate;
    const { user, groups = [] } = nodeIdentity(NODE);
    const clientRequest = { commonName: user, organizations: groups };
    const serverRequest = kubeletServerIdentity(NODE, addresses);
    const pair = (file: string, of: { certificate: string; key: string }) =>
      new RotatedPair({ path: join(folder, file), given: of, authority, nowMs });
    const client = pair('client.pem', signedBy(ca, { ...clientRequest, usage: 'client', ...life }));
    const server = pair('server.pem', signedBy(ca, { ...serverRequest, usage: 'server', ...life }));
    const rotated = (of: RotatedPair, asked: Parameters<typeof requestCertificate>[0]): RotatedCertificate => ({
      current: () => of.current.certificate,
      request: () => requestCertificate(asked),
      install: async (next) => of.replace(next),
    });
    const own = new Client(cluster.transportFor({ name: user, groups: [...groups, 'system:authenticated'] }));
    const random = seededRandom(5);
    const informers = new SharedInformers({ client: own, clock: cluster.clock, random, signal: stop.signal });
    const runtime = new SimulatedRuntime({ clock: cluster.clock });
    const starting = startKubelet({
      nodeName: NODE,
      client: own,
      informers,
      runtime,
      machine: { ...detectMachineFacts(), cgroups: { version: 'none' } },
      clock: cluster.clock,
      random,
      log: silentLog,
      directories: { root: join(folder, 'kubelet'), logs: join(folder, 'logs') },
      addresses: [ADDRESS],
      clusterDNS: [],
      clusterDomain: 'cluster.local',
      port: 0,
      mounter: noMounts,
      usage: { node: async () => new Map(), pods: async () => new Map() },
      server: { ...server.current, clientCA: authority, host: ADDRESS },
      rotated: {
        client: rotated(client, clientRequest),
        server: rotated(server, serverRequest),
      },
    });
    await cluster.settles();
    const kubelet = await starting;
    const { certificate: cert, key } = signedBy(ca, { commonName: 'caller', usage: 'client', ...long });
    try {
      const port = kubelet.serverPort() ?? 0;
      await body({ cluster, port, client, server, folder, authority, caller: { cert, key, ca: authority } });
    } finally {
      await kubelet.close();
    }
  } finally {
    stop.abort();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const serialOf = (pem: string) => new X509Certificate(pem).serialNumber;

test('long before they end both certificates are renewed for new keys, and only their owner may read them', () =>
  withRotation(async ({ cluster, client, server, authority }) => {
    const before = [client.current, server.current];
    await cluster.passes(6 * MINUTE_MS);
    expect([client.current, server.current]).toEqual(before);
    await cluster.passes(4 * MINUTE_MS);
    for (const [index, pair] of [client, server].entries()) {
      const certificate = new X509Certificate(pair.current.certificate);
      expect(certificate.serialNumber).not.toBe(serialOf(before[index]!.certificate));
      expect(pair.current.key).not.toBe(before[index]!.key);
      expect(certificate.subject).toBe(`O=system:nodes\nCN=system:node:${NODE}`);
      expect(certificate.verify(new X509Certificate(authority).publicKey)).toBe(true);
      expect(statSync(pair.path).mode & 0o777).toBe(0o600);
      expect(readFileSync(pair.path, 'utf8')).toContain(pair.current.key.trim());
    }
    expect(new X509Certificate(server.current.certificate).subjectAltName).toBe(`DNS:${NODE}, IP Address:${ADDRESS}`);
    const asked = cluster.list(CertificateSigningRequest);
    expect(asked.map(({ spec }) => spec.signerName).sort()).toEqual([
      'kubernetes.io/kube-apiserver-client-kubelet',
      'kubernetes.io/kubelet-serving',
    ]);
  }));

test('new connections see the new certificate, and those that were there go on', () =>
  withRotation(async ({ cluster, port, server, caller }) => {
    // The machine's time is another one than the cluster's, in which the kubelet's certificate is good.
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ...caller, rejectUnauthorized: false });
    /** Which connection it was, and what the other side showed when it began. */
    const asked = async (by: Agent): Promise<{ port: number | undefined; serial: string | undefined }> => {
      const outgoing = request({ host: ADDRESS, port, path: '/configz', agent: by });
      outgoing.end();
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      const socket = response.socket as TLSSocket;
      const seen = { port: socket.localPort, serial: socket.getPeerX509Certificate()?.serialNumber };
      await text(response);
      expect(response.statusCode).toBe(200);
      return seen;
    };
    const before = serialOf(server.current.certificate);
    const first = await asked(agent);
    expect(first.serial).toBe(before);
    await cluster.passes(10 * MINUTE_MS);
    const after = serialOf(server.current.certificate);
    expect(after).not.toBe(before);
    expect((await asked(agent)).port).toBe(first.port);
    const fresh = new Agent({ ...caller, rejectUnauthorized: false });
    expect((await asked(fresh)).serial).toBe(after);
    agent.destroy();
    fresh.destroy();
  }));

test('a certificate for addresses that are not the node’s is approved by nobody', () =>
  withRotation(
    async ({ cluster, server }) => {
      const before = server.current;
      await cluster.passes(10 * MINUTE_MS);
      const asked = cluster
        .list(CertificateSigningRequest)
        .filter(({ spec }) => spec.signerName.endsWith('kubelet-serving'));
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.every(({ status }) => status?.certificate === undefined)).toBe(true);
      expect(server.current).toEqual(before);
    },
    ['192.0.2.66'],
  ));
