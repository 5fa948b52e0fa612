/** A test cluster as clients in other processes reach it: TLS on a loopback port of the kernel's choice, users by certificate. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { UserInfo } from '#client/transport.ts';
import { adminIdentity, apiServerIdentity, kubeletClientIdentity } from '#cmd/pki/cluster-identities.ts';
import { kubeconfigFor } from '#cmd/pki/kubeconfig.ts';
import { ensurePki, type Pki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { ApiServer } from '#control-plane/apiserver/apiserver.ts';
import {
  authenticatorChain,
  bearerTokenAuthenticator,
} from '#control-plane/apiserver/authentication/authenticator-chain.ts';
import { ClientCertificateAuthenticator } from '#control-plane/apiserver/authentication/client-certificate.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { serveHttp } from '#control-plane/apiserver/http/serve.ts';
import type { Pipeline } from '#control-plane/apiserver/pipeline.ts';
import { signingCertificate } from './authority.ts';

export interface HttpsEdgeOptions {
  api: ApiServer;
  /** What requests go through. */
  pipeline: Pipeline;
  tokenIssuer: TokenIssuer;
  clock: Clock;
  log: Log;
}

const HOST = '127.0.0.1';
const GRACE_MS = 200;

export class HttpsEdge {
  readonly url: string;
  readonly #directory: string;
  readonly #pki: Pki;
  readonly #close: () => Promise<void>;
  #files = 0;

  private constructor(parts: { port: number; directory: string; pki: Pki; close: () => Promise<void> }) {
    this.url = `https://${HOST}:${parts.port}`;
    this.#directory = parts.directory;
    this.#pki = parts.pki;
    this.#close = parts.close;
  }

  static async open({ api, pipeline, tokenIssuer, clock, log }: HttpsEdgeOptions): Promise<HttpsEdge> {
    const directory = await mkdtemp(join(tmpdir(), 'kedge-testing-')); // 0700
    const pki = ensurePki({ directory: join(directory, 'pki'), clock: systemClock });
    const server = pki.issueServer('apiserver', apiServerIdentity({ addresses: [HOST] }));
    const kubelet = pki.issueClient('apiserver-kubelet-client', kubeletClientIdentity);
    let port = 0;
    const http = serveHttp({
      pipeline,
      // Who shows nothing is nobody: without RBAC everybody who is somebody may do everything.
      authenticator: authenticatorChain(
        [
          new ClientCertificateAuthenticator({ authorities: [pki.caCertificate], clock: systemClock }),
          // Those that were asked for in the cluster are dated by its clock.
          new ClientCertificateAuthenticator({ authorities: [signingCertificate()], clock }),
          bearerTokenAuthenticator(api.tokens),
        ],
        () => ({ enabled: false }),
      ),
      tokenIssuer,
      flowControl: api.flowControl,
      ...server,
      clientCaCertificate: pki.caCertificate + signingCertificate(),
      kubelet: { ...kubelet, ca: pki.caCertificate },
      checks: [{ name: 'ping', of: ['healthz', 'livez', 'readyz'], check: () => undefined }],
      serverAddress: () => `${HOST}:${port}`,
    });
    ({ port } = await http.listen({ host: HOST, port: 0 }));
    log.debug('the test cluster listens', { port });
    const close = async () => {
      await http.close(GRACE_MS);
      await rm(directory, { recursive: true, force: true });
    };
    return new HttpsEdge({ port, directory, pki, close });
  }

  get pki(): Pki {
    return this.#pki;
  }

  /** YAML. The cluster's administrator unless another user is named. */
  kubeconfig(user?: Pick<UserInfo, 'name' | 'groups'>): string {
    const identity = user ? { user: user.name, groups: user.groups } : adminIdentity;
    const client = this.#pki.issueClient(user ? `client-${this.#files++}` : 'admin', identity);
    return kubeconfigFor({ name: 'kedge-testing', server: this.url, caCertificate: this.#pki.caCertificate, client });
  }

  /** The path of a file with it, which goes with the cluster. Mode 0600. */
  async kubeconfigFile(user?: Pick<UserInfo, 'name' | 'groups'>): Promise<string> {
    const path = join(this.#directory, `kubeconfig-${this.#files++}`);
    await writeFile(path, this.kubeconfig(user), { mode: 0o600 });
    return path;
  }

  close(): Promise<void> {
    return this.#close();
  }
}
