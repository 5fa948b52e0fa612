/** The verbs over both transports: what tests of them start with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { bodies, catalog } from '#api/catalog.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { StatusError } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { NodeTransport } from '#client/transport/node.ts';
import type { Transport } from '#client/transport.ts';
import { adminIdentity, apiServerIdentity } from '#cmd/pki/cluster-identities.ts';
import { ensurePki, type Pki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { type ApiServer, createApiServer } from '#control-plane/apiserver/apiserver.ts';
import { ClientCertificateAuthenticator } from '#control-plane/apiserver/authentication/client-certificate.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { serveHttp } from '#control-plane/apiserver/http/serve.ts';
import type { HttpServer } from '#control-plane/apiserver/http/server.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';

export type Way = 'inside the process' | 'over TLS';

/** An API server on the memory store, new for each test, and a client of it that goes the way. */
export interface VerbsServer {
  storage: Storage;
  api: ApiServer;
  client: Client;
  /** That of the API server. */
  clock: ManualClock;
  transport: Transport & { close?(): void };
}

/** Called once for each way; `each` is told the server of the next test. */
export function eachWithServer(way: Way, each: (server: VerbsServer) => void): void {
  let directory: string;
  let pki: Pki;
  let server: VerbsServer;
  let http: HttpServer | undefined;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'api-'));
    pki = ensurePki({ directory, clock: systemClock });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(async () => {
    const clock = new ManualClock();
    const storage = await openMemoryStorage();
    const api = createApiServer({
      storage,
      kinds: createKindRegistry(catalog, bodies),
      clock,
      random: seededRandom(1),
      log: silentLog,
      tokenIssuer,
      tokens: () => ({ authenticateToken: async () => undefined }),
      admission: () => [],
      authorizer: { authorize: () => allow() },
      serviceRanges: { clusterIps: ['10.96.0.0/24', 'fd00:96::/112'], nodePorts: { from: 30000, to: 30010 } },
    });
    let transport: VerbsServer['transport'] = api.loopback.client.transport;
    if (way === 'over TLS') ({ http, transport } = await overTls(api, pki));
    server = { storage, api, client: new Client(transport), clock, transport };
    each(server);
  });
  afterEach(async () => {
    server.transport.close?.();
    await http?.close(0);
    http = undefined;
    await server.api.close();
    await server.storage.close();
  });
}

const tokenIssuer = { audiences: ['api'] } as unknown as TokenIssuer;

/** The clock of the API server is the test's, that of certificates the machine's. */
async function overTls(api: ApiServer, pki: Pki): Promise<{ http: HttpServer; transport: NodeTransport }> {
  const server = pki.issueServer('apiserver', apiServerIdentity({ addresses: ['127.0.0.1'] }));
  const admin = pki.issueClient('admin', adminIdentity);
  const http = serveHttp({
    pipeline: api.requests,
    flowControl: api.flowControl,
    authenticator: new ClientCertificateAuthenticator({ authorities: [pki.caCertificate], clock: systemClock }),
    tokenIssuer,
    ...server,
    clientCaCertificate: pki.caCertificate,
    kubelet: { ...admin, ca: pki.caCertificate },
    checks: [],
    serverAddress: () => '127.0.0.1',
  });
  const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
  const transport = new NodeTransport({
    server: `https://127.0.0.1:${port}`,
    certificateAuthority: pki.caCertificate,
    credentials: { certificate: { cert: admin.certificate, key: admin.key } },
    clock: systemClock,
  });
  return { http, transport };
}

/** The error of what must not succeed. */
export async function refusal(attempt: Promise<unknown>): Promise<StatusError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
