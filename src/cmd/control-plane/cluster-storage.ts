/** Where a cluster's objects are kept: its own store on this machine's disk, or an etcd that other control planes share. */
import type { Log } from '#base/log.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { systemClock } from '../system-clock.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';

export interface ClusterStorage {
  storage: Storage;
  /** Others may write it at the same time. */
  isShared: boolean;
}

interface StorageOptions {
  flags: ApiServerFlags;
  /** Of the own store. */
  directory: string;
  log: Log;
  onFailure(error: Error): void;
}

/** By `--etcd-servers` and `--etcd-{ca,cert,key}file`, as kube-apiserver has them. Throws FlagError, StorageUnreachable. */
export async function openClusterStorage({
  flags,
  directory,
  log,
  onFailure,
}: StorageOptions): Promise<ClusterStorage> {
  const endpoints = flags.list('etcd-servers');
  if (endpoints.length === 0) return { storage: await openLmdbStorage({ directory, onFailure }), isShared: false };
  const tls = tlsOf(flags, endpoints);
  const connection = { endpoints, clock: systemClock, ...(tls && { tls }) };
  const { connectEtcdStorage } = await import('#control-plane/storage/etcd.ts'); // and gRPC with it
  return { storage: await connectEtcdStorage({ ...connection, log }), isShared: true };
}

function tlsOf(flags: ApiServerFlags, endpoints: readonly string[]) {
  for (const endpoint of endpoints)
    if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
      throw new FlagError(`--etcd-servers: ${JSON.stringify(endpoint)} is no address such as https://10.0.0.1:2379`);
  const files = ['etcd-cafile', 'etcd-certfile', 'etcd-keyfile'] as const;
  const given = files.filter((name) => flags.has(name));
  if (given.length === 0) {
    if (endpoints.some((endpoint) => endpoint.startsWith('https:')))
      throw new FlagError(
        '--etcd-servers: an address of https needs --etcd-cafile, --etcd-certfile and --etcd-keyfile',
      );
    return undefined;
  }
  const missing = files.find((name) => !flags.has(name));
  if (missing) throw new FlagError(`--${given[0]}: --${missing} is needed as well`);
  const [ca, cert, key] = files.map((name) => Buffer.from(flags.file(name))) as [Buffer, Buffer, Buffer];
  return { ca, cert, key };
}
