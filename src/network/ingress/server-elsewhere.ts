/** Who is asked besides a route's own backend: named by a URL, which may stand for a Service of this cluster. */
import type { Connections, Reach, Upstreams } from './upstreams.ts';

export interface ServerElsewhere {
  /** `https://auth.example.com` */
  origin: string;
  /** See `backendKey`, where the origin is a Service of this cluster: it stands for its endpoints. */
  backend?: string;
}

/** `NAME.NAMESPACE.svc`, with the cluster's domain or without. */
const SERVICE_HOST = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.[a-z0-9.-]+)?$/;

/** undefined for what is no URL of HTTP. */
export function serverElsewhere(url: string): (ServerElsewhere & { url: URL }) | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol)) return undefined;
  const [, name, namespace] = SERVICE_HOST.exec(parsed.hostname) ?? [];
  const port = parsed.port || (parsed.protocol === 'https:' ? '443' : '80');
  return { origin: parsed.origin, ...(name && { backend: `${namespace}/${name}:${port}` }), url: parsed };
}

/** undefined: the Service has nobody. @param reach of the route's own backend, which may speak otherwise. */
export function connectionsElsewhere(
  { origin, backend }: ServerElsewhere,
  upstreams: Upstreams,
  reach: Reach,
): Connections | undefined {
  if (backend === undefined) return upstreams.connectionsToOrigin(origin);
  const [endpoint] = upstreams.next(backend, 1);
  const backendProtocol = origin.startsWith('https:') ? 'https' : 'http';
  const isAlike = reach.backendProtocol === backendProtocol;
  return (
    endpoint &&
    upstreams.connectionsTo(endpoint, isAlike ? reach : { backendProtocol, connectTimeoutMs: reach.connectTimeoutMs })
  );
}
