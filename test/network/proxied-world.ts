/** kube-proxy of one node over objects that a test changes, and a kernel that it stands in for. */
import { afterEach } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Informers } from '#client/informer.ts';
import type { RunConntrack } from '#network/proxy/conntrack.ts';
import type { Renderer } from '#network/proxy/renderer.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';

type Listener = (change: { key: string; now: unknown; before: unknown }) => void;

/** Informers over plain lists that the test changes. */
export function world() {
  const objects = new Map<string, Map<string, KubeObject>>();
  const listeners = new Map<string, Listener[]>();
  const of = (kind: string) => {
    let found = objects.get(kind);
    if (!found) {
      found = new Map();
      objects.set(kind, found);
    }
    return found;
  };
  const informer = ({ kind }: { kind: string }, indexKeys?: (object: KubeObject) => string | undefined) => ({
    get: (key: string) => of(kind).get(key),
    list: () => [...of(kind).values()],
    under: (index: string) => [...of(kind).values()].filter((object) => indexKeys?.(object) === index),
    onChange: (listener: Listener) => {
      listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
      return () => undefined;
    },
  });
  const informers = { for: informer, indexed: informer, synced: () => Promise.resolve() } as unknown as Informers;
  const set = (kind: string, key: string, now: unknown) => {
    const before = of(kind).get(key);
    of(kind).set(key, now as KubeObject);
    for (const listener of listeners.get(kind) ?? []) listener({ key, now, before });
  };
  return { informers, set };
}

export const service = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { type: 'ClusterIP', clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
};
export const slice = (...ips: string[]) => ({
  addressType: 'IPv4',
  metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  ports: [{ port: 8080 }],
  endpoints: ips.map((ip) => ({ addresses: [ip], nodeName: 'node1', conditions: { ready: true } })),
});

const aborts: AbortController[] = [];
afterEach(() => {
  for (const controller of aborts.splice(0)) controller.abort();
});

interface Fakes {
  clock?: ManualClock;
  hasRules?: () => Promise<boolean>;
  conntrack?: RunConntrack;
  /** What the kernel knows, as conntrack(8) lists it. */
  flows?: () => string[];
  /** In the place of the one that writes rules of nftables. */
  renderer?: Renderer;
}

export function start(
  informers: Informers,
  nft: (commands: readonly string[]) => Promise<void>,
  {
    clock = new ManualClock(),
    hasRules = async () => true,
    conntrack = async () => undefined,
    flows = () => [],
    renderer,
  }: Fakes = {},
) {
  const controller = new AbortController();
  aborts.push(controller);
  const table = {
    family: 'ipv4' as const,
    podRanges: ['10.244.0.0/16'],
    serviceRanges: ['10.96.0.0/16'],
    ownAddresses: ['10.96.0.10'],
  };
  const proxy = startProxy({
    nodeName: 'node1',
    informers,
    clock,
    log: silentLog,
    signal: controller.signal,
    tables: [table],
    nft,
    hasRules,
    conntrack,
    listFlows: async function* () {
      yield* flows();
    },
    nodeIPs: () => new Set(['172.31.9.2']),
    ...(renderer && { renderer: () => renderer }),
  });
  return { ...proxy, clock };
}
export const turn = () => new Promise((resolve) => setImmediate(resolve));
