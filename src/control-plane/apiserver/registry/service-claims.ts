/**
 * The keys by which Services hold addresses and node ports, and the repair of claims that no Service has (or that are
 * missing).
 */
import type { IPAddress, Service } from '#api/generated/schema.ts';
import { canonicalIp } from '#api/machinery/ip.ts';
import type { ObjectMeta } from '#api/machinery/object.ts';
import { randomUuid } from '#base/random.ts';
import type { Storage, Write } from '#control-plane/storage/storage.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import { decode, encode } from '../watch-cache/stored-object.ts';
import type { VerbServices } from './behaviour.ts';
import { familyOf, heldAddresses, heldNodePorts } from './service-fields.ts';

const IP_PREFIX = '/registry/ipaddresses/';
const PORT_PREFIX = '/registry/ranges/servicenodeports/';
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const MANAGER = 'ipallocator.k8s.io';

/** What the IPAddress of an address is called: however a Service writes it, it is held once. */
export const ipAddressName = (ip: string): string => canonicalIp(ip) ?? ip;
export const ipAddressKey = (ip: string): string => IP_PREFIX + ipAddressName(ip);
export const nodePortKey = (port: number): string => `${PORT_PREFIX}${port}`;

type Owner = Pick<ObjectMeta, 'name' | 'namespace'>;

export const nodePortValue = ({ namespace, name }: Owner): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ service: `${namespace}/${name}` }));

export function ipAddressFor(
  ip: string,
  { namespace, name }: Owner,
  { clock, random }: Pick<VerbServices, 'clock' | 'random'>,
): Uint8Array {
  const address = {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: {
      name: ipAddressName(ip),
      uid: randomUuid(random),
      generation: 1,
      creationTimestamp: timestampOf(clock.now()),
      labels: { 'ipaddress.kubernetes.io/ip-family': familyOf(ip), [MANAGED_BY]: MANAGER },
      resourceVersion: '',
    },
    spec: { parentRef: { group: '', resource: 'services', namespace, name } },
  };
  return encode(address);
}

/**
 * Makes the claims equal to what the stored Services say: after a restore from a snapshot of another system, or of a
 * store that was edited by hand. Addresses that people made IPAddress objects for by themselves stay.
 */
export async function repairServiceClaims(
  storage: Storage,
  services: Pick<VerbServices, 'clock' | 'random'>,
): Promise<{ added: number; removed: number }> {
  const [stored, ips, ports] = await Promise.all(
    ['/registry/services/specs/', IP_PREFIX, PORT_PREFIX].map((prefix) => storage.range({ prefix })),
  );
  const wanted = new Map<string, Uint8Array>();
  for (const { value } of stored!.items) {
    const { metadata, spec } = decode(value) as unknown as Service;
    for (const ip of heldAddresses(spec)) wanted.set(ipAddressKey(ip), ipAddressFor(ip, metadata, services));
    for (const port of heldNodePorts(spec)) wanted.set(nodePortKey(port), nodePortValue(metadata));
  }
  const standing = [...ips!.items, ...ports!.items];
  const known = new Set(standing.map(({ key }) => key));
  const orphans = standing.filter(({ key, value }) => !wanted.has(key) && isOurs(key, value));
  const missing = [...wanted].filter(([key]) => !known.has(key));
  const then: Write[] = [
    ...orphans.map(({ key }) => ({ delete: key })),
    ...missing.map(([key, value]) => ({ put: key, value })),
  ];
  const when = [
    ...orphans.map(({ key, modRevision }) => ({ key, modRevision })),
    ...missing.map(([key]) => ({ key, modRevision: 0 })),
  ];
  if (then.length > 0) await storage.commit({ when, then }); // when another server was faster, it has repaired them
  return { added: missing.length, removed: orphans.length };
}

function isOurs(key: string, value: Uint8Array): boolean {
  if (!key.startsWith(IP_PREFIX)) return true;
  return (decode(value) as unknown as IPAddress).metadata.labels?.[MANAGED_BY] === MANAGER;
}
