/** The Service by which pods reach the API server, and where the API servers behind it are. */
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client, Draft } from '#client/client.ts';
import { createUnlessThere, type Sent } from './system-objects.ts';

/** An API server, as pods reach it: on the cluster's bridge. */
export interface ServedAt {
  ip: string;
  port: number;
}

export interface KubernetesService {
  /** At least one. */
  servers: readonly ServedAt[];
  /** The first address of the service range. */
  clusterIps: readonly string[];
}

const NAME = 'kubernetes';
const AT = { name: NAME, namespace: 'default' };
const PORT = { name: 'https', protocol: 'TCP' } as const;
const OF_SERVICE = { 'kubernetes.io/service-name': NAME };
const SELECTOR = `kubernetes.io/service-name=${NAME}`;
// Upstream's: not to be mirrored from the Endpoints, because they are written together.
const SKIP_MIRROR = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };

/** Makes what is not there and mends what says something else. Throws Conflict when somebody else wrote at the same time. */
export async function ensureKubernetesService(client: Client, service: KubernetesService): Promise<void> {
  const { clusterIps, servers } = service;
  const groups = byPort(servers);
  const spec = {
    clusterIP: clusterIps[0],
    clusterIPs: [...clusterIps],
    ports: [{ ...PORT, port: 443, targetPort: groups[0]?.port ?? 443 }],
    type: 'ClusterIP',
  };
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  // Asked first: a create of what is there would be refused for its address, which is taken (by itself).
  if (!(await found(client, Service))) await createUnlessThere(client, Service, { metadata: { ...AT, labels }, spec });
  await ensure(client, Endpoints, await found(client, Endpoints), {
    metadata: { ...AT, labels: SKIP_MIRROR },
    subsets: groups.map(({ port, ips }) => ({ addresses: ips.map((ip) => ({ ip })), ports: [{ ...PORT, port }] })),
  });
  await ensureSlices(client, groups);
}

interface PortGroup {
  port: number;
  ips: string[];
}

/** A subset of Endpoints and a slice have the same ports for all their addresses. In upstream's order: that of characters. */
function byPort(servers: readonly ServedAt[]): PortGroup[] {
  const groups = new Map<number, Set<string>>();
  for (const { ip, port } of servers) groups.set(port, (groups.get(port) ?? new Set()).add(ip));
  return [...groups].sort(([a], [b]) => a - b).map(([port, ips]) => ({ port, ips: [...ips].sort() }));
}

/** Upstream knows one slice, `kubernetes`, for all its API servers have one port; of further ports each has one of its own. */
async function ensureSlices(client: Client, groups: readonly PortGroup[]): Promise<void> {
  const { items } = await client.list(EndpointSlice, {
    namespace: AT.namespace,
    labelSelector: SELECTOR,
  });
  const names = groups.map(({ port }, index) => (index === 0 ? NAME : `${NAME}-${port}`));
  for (const [index, { port, ips }] of groups.entries()) {
    const name = names[index] ?? NAME;
    // Asked for by its name where somebody has taken its labels away.
    const there = items.find(({ metadata }) => metadata.name === name) ?? (await found(client, EndpointSlice, name));
    await ensure(client, EndpointSlice, there, {
      metadata: { ...AT, name, labels: OF_SERVICE },
      addressType: 'IPv4',
      endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
      ports: [{ ...PORT, port }],
    });
  }
  for (const { metadata } of items)
    if (isOfPort(metadata.name) && !names.includes(metadata.name)) await remove(client, metadata.name);
}

const isOfPort = (name: string): boolean => /^kubernetes-\d+$/.test(name);

async function ensure<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  there: T | undefined,
  object: Sent<T>,
): Promise<void> {
  if (!there) return createUnlessThere(client, kind, object);
  const wanted = { ...there, ...object, metadata: { ...there.metadata, labels: object.metadata.labels } };
  if (!isEqual(there, wanted)) await client.update(kind, wanted as unknown as Draft<T>);
}

async function found<T extends KubeObject>(client: Client, kind: Kind<T>, name = NAME): Promise<T | undefined> {
  try {
    return await client.get(kind, { ...AT, name });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function remove(client: Client, name: string): Promise<void> {
  try {
    await client.delete(EndpointSlice, { ...AT, name });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error; // another API server was faster
  }
}
