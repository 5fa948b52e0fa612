/** The API server that a command speaks to: found as kubectl finds it, asked for any form of answer. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { Clock } from '#base/clock.ts';
import {
  type Cluster,
  type Context,
  type Endpoint,
  endpointOf,
  type Kubeconfig,
  kubeconfigIn,
  type User,
} from '#client/transport/kubeconfig.ts';
import { type NodeRequest, NodeTransport, type OpenReply } from '#client/transport/node.ts';
import { type ApiReply, type ApiRequest, Unreachable, type WatchEvent } from '#client/transport.ts';
import { credentialsOfPlugin, type ExecPlugin } from './exec-credentials.ts';
import { durationOf, type Flags } from './flags.ts';
import { ServedResources } from './served-resources.ts';
import { VerbError } from './verb-error.ts';

interface Settings {
  flags: Flags;
  env: NodeJS.ProcessEnv;
  clock: Clock;
  userAgent: string;
  /** There is somebody who could be asked. */
  hasTerminal?: boolean;
  /** A warning of the server's, one line. */
  warn(text: string): void;
}

interface Found {
  cluster: Cluster;
  user: User;
  userName: string;
  context: Context;
}

export class ClusterApi {
  readonly #settings: Settings;
  readonly #warned = new Set<string>();
  #found: Found | undefined;
  #credentials: User | undefined;
  #transport: NodeTransport | undefined;
  #resources: Promise<ServedResources> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** `--namespace`, else the context's, else `default`. */
  get namespace(): string {
    return this.#settings.flags.string('namespace') || this.#config().context.namespace || 'default';
  }

  /** The namespace was named on the command line, so objects of another one are refused. */
  get isNamespaceGiven(): boolean {
    return this.#settings.flags.string('namespace') !== '';
  }

  /** All that the kubeconfigs say together, and the files that there are, the first of which counts most. */
  get kubeconfig(): { paths: readonly string[]; merged: MergedKubeconfig } {
    const paths = this.#paths();
    return { paths, merged: merged(paths) };
  }

  get server(): string {
    return this.#config().cluster.server ?? '';
  }

  /** Where the server is and who asks, for a connection of one's own. */
  get endpoint(): Endpoint {
    const { cluster, user } = this.#config();
    const { server } = this;
    return endpointOf({ cluster: { ...cluster, server }, user: this.#identified(user), folder: '/' });
  }

  /** Asks the credential plugin, once. */
  #identified(user: User): User {
    if (!user.exec) return user;
    const { env, hasTerminal = false } = this.#settings;
    const { cluster, userName } = this.#config();
    this.#credentials ??= credentialsOfPlugin(user.exec as ExecPlugin, { userName, cluster, env, hasTerminal });
    const { exec: _, ...rest } = user;
    return { ...rest, ...this.#credentials };
  }

  get headers(): Record<string, string | string[]> {
    const { flags } = this.#settings;
    const [user, groups, uid] = [flags.string('as'), flags.list('as-group'), flags.string('as-uid')];
    return {
      ...(user && { 'impersonate-user': user }),
      ...(groups.length > 0 && { 'impersonate-group': [...groups] }),
      ...(uid && { 'impersonate-uid': uid }),
    };
  }

  /** Tells a warning once. */
  readonly warn = (text: string): void => this.#warn([text]);

  get hasWarned(): boolean {
    return this.#warned.size > 0;
  }

  resources(): Promise<ServedResources> {
    this.#resources ??= ServedResources.of(this);
    return this.#resources;
  }

  async request(request: NodeRequest): Promise<ApiReply> {
    const reply = await this.#connected().request(this.#bounded(request));
    this.#warn(reply.warnings);
    return reply;
  }

  async get<T>(path: string): Promise<T> {
    return (await this.request({ method: 'GET', path })).object as T;
  }

  async open(request: NodeRequest): Promise<OpenReply> {
    const reply = await this.#connected().open(request);
    this.#warn(reply.warnings);
    return reply;
  }

  watch(request: { path: string; signal: AbortSignal; accept?: string }): AsyncIterable<WatchEvent> {
    return this.#connected().watch(request);
  }

  close(): void {
    this.#transport?.close();
  }

  #warn(warnings: readonly string[]): void {
    for (const text of warnings) {
      if (!this.#warned.has(text)) this.#settings.warn(text);
      this.#warned.add(text);
    }
  }

  #bounded<T extends ApiRequest>(request: T): T {
    const given = this.#settings.flags.string('request-timeout');
    const timeoutMs = durationOf(given) ?? Number(given) * 1000;
    if (!Number.isFinite(timeoutMs))
      throw new VerbError(
        'Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)',
      );
    if (!timeoutMs || request.signal) return request;
    const ending = new AbortController();
    this.#settings.clock.timer(timeoutMs, () =>
      ending.abort(new Unreachable('net/http: request canceled (Client.Timeout exceeded while awaiting headers)')),
    );
    return { ...request, signal: ending.signal };
  }

  #connected(): NodeTransport {
    const { clock, userAgent } = this.#settings;
    this.#transport ??= new NodeTransport({ ...this.endpoint, headers: this.headers, clock, userAgent });
    return this.#transport;
  }

  #config(): Found {
    this.#found ??= this.#overridden(this.#fromFiles());
    return this.#found;
  }

  #overridden({ cluster, user, userName, context }: Found): Found {
    const { flags } = this.#settings;
    const given = (name: string) => flags.string(name) || undefined;
    const file = (name: string) => (given(name) ? resolve(given(name)!) : undefined);
    const authority = file('certificate-authority');
    const certificate = file('client-certificate');
    const key = file('client-key');
    const named: Cluster = {
      ...cluster,
      ...(given('server') && { server: given('server')! }),
      ...(given('tls-server-name') && { 'tls-server-name': given('tls-server-name')! }),
      ...(flags.bool('insecure-skip-tls-verify') && INSECURE),
      ...(authority && { 'certificate-authority': authority, 'certificate-authority-data': undefined }),
    };
    if (!named.server) throw refusedAt('localhost:8080');
    return {
      context,
      userName,
      cluster: { ...named, server: /^https?:/.test(named.server) ? named.server : `https://${named.server}` },
      user: {
        ...user,
        ...(given('token') && { token: given('token')! }),
        ...(certificate && { 'client-certificate': certificate, 'client-certificate-data': undefined }),
        ...(key && { 'client-key': key, 'client-key-data': undefined }),
      },
    };
  }

  #fromFiles(): Found {
    const { flags } = this.#settings;
    const config = merged(this.#paths());
    const name = flags.string('context') || config['current-context'] || '';
    const context = config.contexts.get(name);
    if (name && !context && flags.string('context')) throw unknownContext(name, flags.has('namespace'));
    const clusterName = flags.string('cluster') || context?.cluster || '';
    const userName = flags.string('user') || context?.user || '';
    if (flags.string('cluster') && !config.clusters.has(clusterName))
      throw unknownCluster(clusterName, flags.has('namespace'));
    if (flags.string('user') && !config.users.has(userName))
      throw new VerbError(`auth info ${JSON.stringify(userName)} does not exist`);
    return {
      context: context ?? {},
      userName,
      cluster: config.clusters.get(clusterName) ?? {},
      user: config.users.get(userName) ?? {},
    };
  }

  #paths(): string[] {
    const { flags, env } = this.#settings;
    const given = flags.string('kubeconfig');
    if (given) {
      if (!existsSync(given)) throw new VerbError(`stat ${given}: no such file or directory`);
      return [given];
    }
    const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean);
    return (listed.length > 0 ? listed : [join(env['HOME'] || homedir(), '.kube', 'config')]).filter((path) =>
      existsSync(path),
    );
  }
}

/** Who checks nothing needs no authority. */
const INSECURE = {
  'insecure-skip-tls-verify': true,
  'certificate-authority': undefined,
  'certificate-authority-data': undefined,
} as Partial<Cluster>;

export interface MergedKubeconfig {
  'current-context': string;
  clusters: Map<string, Cluster>;
  users: Map<string, User>;
  contexts: Map<string, Context>;
}

const CLUSTER_FILES = ['certificate-authority'] as const;
const USER_FILES = ['client-certificate', 'client-key', 'tokenFile'] as const;

/** What a file says first stays said; paths are made absolute. Source: clientcmd, loading rules. */
function merged(paths: readonly string[]): MergedKubeconfig {
  const all: MergedKubeconfig = { 'current-context': '', clusters: new Map(), users: new Map(), contexts: new Map() };
  for (const path of paths) {
    const config = loaded(path);
    const folder = dirname(resolve(path));
    all['current-context'] ||= config['current-context'] ?? '';
    addNew(all.clusters, config.clusters ?? [], ({ cluster = {} }) => absolute(cluster, CLUSTER_FILES, folder));
    addNew(all.users, config.users ?? [], ({ user = {} }) =>
      withAbsolutePlugin(absolute(user, USER_FILES, folder), folder),
    );
    addNew(all.contexts, config.contexts ?? [], ({ context = {} }) => context);
  }
  return all;
}

function loaded(path: string): Kubeconfig {
  try {
    return kubeconfigIn(path);
  } catch (error) {
    // What follows the first line of YAML's error is an extract of the file, which may hold a key.
    const [what = ''] = (error as Error).message.split('\n');
    throw new VerbError(`error loading config file ${JSON.stringify(path)}: ${what.replace(/:$/, '')}`);
  }
}

function addNew<E extends { name: string }, T>(
  to: Map<string, T>,
  entries: readonly E[],
  contentOf: (entry: E) => T,
): void {
  for (const entry of entries) if (!to.has(entry.name)) to.set(entry.name, contentOf(entry));
}

function absolute<T extends object>(of: T, keys: readonly (keyof T)[], folder: string): T {
  const changed = { ...of };
  for (const key of keys) {
    const path = changed[key];
    if (typeof path === 'string' && path !== '') changed[key] = resolve(folder, path) as T[typeof key];
  }
  return changed;
}

/** A command that is a path is one from the file's folder. */
function withAbsolutePlugin(user: User, folder: string): User {
  const exec = user.exec as ExecPlugin | undefined;
  if (!exec?.command?.includes('/')) return user;
  return { ...user, exec: { ...exec, command: resolve(folder, exec.command) } };
}

/** Which words they are told in depends on whether kubectl had to look for the namespace first. */
const unknownContext = (name: string, isNamespaceGiven: boolean): VerbError =>
  isNamespaceGiven
    ? new VerbError(`context ${JSON.stringify(name)} does not exist`)
    : new VerbError(`Error in configuration: context was not found for specified context: ${name}`, { isBare: true });
const unknownCluster = (name: string, isNamespaceGiven: boolean): VerbError =>
  new VerbError(
    isNamespaceGiven
      ? `cluster ${JSON.stringify(name)} does not exist`
      : `no server found for cluster ${JSON.stringify(name)}`,
  );

/** In kubectl's words. */
export const refusedAt = (host: string): VerbError =>
  new VerbError(`The connection to the server ${host} was refused - did you specify the right host or port?`, {
    isBare: true,
  });
