import { ConfigMap } from '#api/core/v1/config-map.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Log } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { type Resolver, type Upstreams, upstreamsFrom } from './upstreams.ts';

const SETTINGS = { namespace: 'kube-system', name: 'kube-dns' };

/**
 * Whom to ask as the ConfigMap `kube-system/kube-dns` says now; the node's own resolvers as long as there is none. Nobody waits
 * for it: the cluster's own names do not depend on it.
 */
export function keepUpstreamsCurrent(options: {
  informers: Informers;
  ofNode: readonly Resolver[];
  log: Log;
  signal: AbortSignal;
}): () => Upstreams {
  const { informers, ofNode, log, signal } = options;
  const { namespace, name } = SETTINGS;
  let seen: Record<string, string> | undefined;
  let { upstreams } = upstreamsFrom(undefined, ofNode);
  const stop = informers.for(ConfigMap, { namespace, fieldSelector: `metadata.name=${name}` }).onChange(({ now }) => {
    if (isEqual(now?.data, seen)) return;
    seen = now?.data;
    const read = upstreamsFrom(seen, ofNode);
    upstreams = read.upstreams;
    if (read.complaints.length > 0)
      log.warn(`ConfigMap ${namespace}/${name} is not as it should be`, { complaints: read.complaints });
  });
  signal.addEventListener('abort', stop, { once: true });
  return () => upstreams;
}
