/** A kubeconfig file, and the transport that it describes. Source: client-go, clientcmd/api/v1. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type { Clock } from '#base/clock.ts';
import type { NodeTransportOptions } from './node.ts';
import { NodeTransport } from './node.ts';

export interface Cluster {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

export interface User {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  exec?: unknown;
  'auth-provider'?: unknown;
}

export interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

export interface Kubeconfig {
  'current-context'?: string;
  clusters?: { name: string; cluster?: Cluster }[];
  users?: { name: string; user?: User }[];
  contexts?: { name: string; context?: Context }[];
}

export interface KubeconfigContext {
  name: string;
  namespace: string;
  cluster: Cluster & { server: string };
  user: User;
  /** Relative paths in the file are relative to here. */
  folder: string;
}

const MOST_BYTES = 4 * 1024 * 1024;

/** Throws an Error that names the file and what is missing in it. */
export function readKubeconfig(path: string, contextName?: string): KubeconfigContext {
  const config = kubeconfigIn(path);
  const name = contextName ?? config['current-context'];
  if (!name) throw new Error(`${path}: no current-context is set`);
  const context = config.contexts?.find((each) => each.name === name)?.context;
  if (!context) throw new Error(`${path}: there is no context "${name}"`);
  const cluster = config.clusters?.find((each) => each.name === context.cluster)?.cluster;
  if (!cluster?.server) throw new Error(`${path}: there is no cluster "${context.cluster}" with a server`);
  const user = config.users?.find((each) => each.name === context.user)?.user ?? {};
  return {
    name,
    namespace: context.namespace ?? 'default',
    cluster: { ...cluster, server: cluster.server },
    user,
    folder: dirname(resolve(path)),
  };
}

/** The file as it is. Throws when it cannot be read, or is no kubeconfig. */
export function kubeconfigIn(path: string): Kubeconfig {
  const text = readFileSync(path, 'utf8');
  if (text.length > MOST_BYTES) throw new Error(`${path}: too large for a kubeconfig`);
  return (parse(text) ?? {}) as Kubeconfig;
}

/** Where the server is, and how it and the client know each other. */
export type Endpoint = Pick<
  NodeTransportOptions,
  'server' | 'certificateAuthority' | 'serverName' | 'insecure' | 'credentials'
>;

/** Reads the files that the context names. */
export function endpointOf({ cluster, user, folder }: Omit<KubeconfigContext, 'name' | 'namespace'>): Endpoint {
  const authority = inlined(cluster['certificate-authority-data']) ?? read(folder, cluster['certificate-authority']);
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ...(authority && { certificateAuthority: authority }),
    ...(cluster['tls-server-name'] && { serverName: cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] && { insecure: true }),
    credentials: credentialsOf(user, folder),
  };
}

export const transportOf = (
  context: KubeconfigContext,
  { clock, userAgent }: { clock: Clock; userAgent?: string },
): NodeTransport => new NodeTransport({ ...endpointOf(context), clock, ...(userAgent && { userAgent }) });

/** The transport of a kubeconfig's current (or named) context. */
export const transportFromKubeconfig = (
  path: string,
  options: { clock: Clock; context?: string; userAgent?: string },
): NodeTransport => transportOf(readKubeconfig(path, options.context), options);

function credentialsOf(user: User, folder: string): NodeTransportOptions['credentials'] {
  if (user.exec || user['auth-provider'])
    throw new Error('this kubeconfig asks for a credential plugin, which only kubectl can run');
  const certFile = user['client-certificate'];
  const keyFile = user['client-key'];
  const cert = inlined(user['client-certificate-data']);
  const key = inlined(user['client-key-data']);
  const ofFiles = certFile && keyFile && { certFile: resolve(folder, certFile), keyFile: resolve(folder, keyFile) };
  // Data win over files, as in clientcmd; a pair may also be mixed.
  const certificate =
    cert || key
      ? { cert: cert ?? read(folder, certFile) ?? '', key: key ?? read(folder, keyFile) ?? '' }
      : ofFiles || undefined;
  return {
    ...(certificate && { certificate }),
    ...(user.token && { token: user.token }),
    ...(user.tokenFile && { tokenFile: resolve(folder, user.tokenFile) }),
  };
}

const inlined = (data: string | undefined): string | undefined =>
  data ? Buffer.from(data, 'base64').toString('utf8') : undefined;

const read = (folder: string, path: string | undefined): string | undefined =>
  path ? readFileSync(resolve(folder, path), 'utf8') : undefined;
