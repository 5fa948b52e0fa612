/** What Gateways ask for at a port: for each hostname of a listener its own routes, and nothing of any other. Plain data, as the table of routes. */
import type { HostRoutes } from './route-table.ts';

export interface ListenerRoutes {
  /** Routes by host; `*.example.com` stands for any number of labels here. */
  hosts: Map<string, HostRoutes>;
  /** `namespace/name` of Secrets; only where TLS ends here. */
  certificates: string[];
  /** By the name that a client asks for in its TLS greeting: who gets the connection, whatever is spoken in it. */
  passthrough: Map<string, Passthrough>;
}

export interface Passthrough {
  owner: string;
  /** TLS ends here, and its bytes are given on; else the connection as it is. */
  terminates: boolean;
  split: { backend: string | undefined; weight: number }[];
}

export interface PortListeners {
  isTls: boolean;
  /** Some of its backends speak nothing else: clients may begin with it, also without TLS. */
  speaksHttp2: boolean;
  hasPassthrough: boolean;
  /** By hostname in lower case, `*.example.com`, and '' for any. */
  listeners: Map<string, ListenerRoutes>;
}

/** That of the name itself, of the longest wildcard that covers it, or the one for any. Source: Gateway API reference, Hostname. */
export function mostSpecific<T>(byName: ReadonlyMap<string, T>, hostname: string): T | undefined {
  const own = byName.get(hostname);
  if (own !== undefined) return own;
  for (let dot = hostname.indexOf('.'); dot >= 0; dot = hostname.indexOf('.', dot + 1)) {
    const found = byName.get(`*${hostname.slice(dot)}`);
    if (found !== undefined) return found;
  }
  return byName.get('');
}
