/**
 * Whom to ask about which names. The settings are those of the ConfigMap `kube-system/kube-dns`: `stubDomains`, a JSON object
 * of domain to addresses, and `upstreamNameservers`, a JSON list that replaces the node's own resolvers. Source: "Customizing
 * DNS Service" (the kube-dns form).
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

export interface Resolver {
  host: string;
  port: number;
}

export interface Upstreams {
  resolvers: readonly Resolver[];
  /** Lower case, without a dot at the end. */
  stubs: ReadonlyMap<string, readonly Resolver[]>;
}

/** Those of the longest stub domain that the name lies in, else the common ones. */
export function upstreamsFor({ resolvers, stubs }: Upstreams, name: string): readonly Resolver[] {
  for (let rest = name; stubs.size > 0 && rest !== ''; rest = rest.slice(rest.indexOf('.') + 1)) {
    const found = stubs.get(rest);
    if (found) return found;
    if (!rest.includes('.')) break;
  }
  return resolvers;
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`; undefined: none of these. */
export function resolverFrom(text: string): Resolver | undefined {
  const [, bracketed, plain, port = '53'] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain ?? text.trim();
  const number = Number(port);
  return isIP(host) !== 0 && number > 0 && number < 65_536 ? { host, port: number } : undefined;
}

/** `data` of the ConfigMap. What is not in its form is left out and named in `complaints`. */
export function upstreamsFrom(
  data: Readonly<Record<string, string>> | undefined,
  ofNode: readonly Resolver[],
): { upstreams: Upstreams; complaints: string[] } {
  const complaints: string[] = [];
  const parsed = (key: string): unknown => {
    const text = data && Object.hasOwn(data, key) ? data[key] : undefined;
    if (!text?.trim()) return undefined;
    try {
      return JSON.parse(text);
    } catch (error) {
      complaints.push(`${key}: ${String(error)}`);
      return undefined;
    }
  };
  const resolversIn = (list: unknown, where: string): Resolver[] =>
    (Array.isArray(list) ? list : [list]).flatMap((one) => {
      const resolver = typeof one === 'string' ? resolverFrom(one) : undefined;
      if (!resolver) complaints.push(`${where}: ${JSON.stringify(one)} is no address`);
      return resolver ?? [];
    });
  const own = parsed('upstreamNameservers');
  const resolvers = own === undefined ? [] : resolversIn(own, 'upstreamNameservers');
  const domains = parsed('stubDomains');
  const isObject = typeof domains === 'object' && domains !== null && !Array.isArray(domains);
  if (domains !== undefined && !isObject) complaints.push('stubDomains: not an object');
  const entries = isObject ? Object.entries(domains) : [];
  const stubs = entries.map(([domain, list]): [string, Resolver[]] => [
    domain.toLowerCase().replace(/\.$/, ''),
    resolversIn(list, `stubDomains ${domain}`),
  ]);
  const upstreams = {
    resolvers: resolvers.length > 0 ? resolvers : ofNode,
    stubs: new Map(stubs.filter(([, list]) => list.length > 0)),
  };
  return { upstreams, complaints };
}

/** The nameservers of a resolv.conf, without those that are this server itself. Empty when there is no such file. */
export function nameserversOf(resolvConf: string, own: readonly string[]): Resolver[] {
  let text: string;
  try {
    text = readFileSync(resolvConf, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const servers = text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  return servers.filter((host) => isIP(host) !== 0 && !own.includes(host)).map((host) => ({ host, port: 53 }));
}
