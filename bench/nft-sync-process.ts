/** From a proxy that knows 10,000 Services and has no rules to all rules in force, again and again: `nft-sync-process NETWORK`. */
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { networkNamespace } from './network-namespace.ts';
import { SERVICES, storedService, storedSlice, TABLE } from './proxied-services.ts';
import { median, sizeRow } from './row.ts';

const ROUNDS = 7;
const TARGET_MS = 500;

const namespace = networkNamespace(process.argv[2] ?? '');
const objects = {
  services: Array.from({ length: SERVICES }, (_, i) => storedService(i)),
  endpointslices: Array.from({ length: SERVICES }, (_, i) => storedSlice(i)),
  pods: [],
};
const informers = informersOf(objects);
const [times, floor]: [number[], number[]] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  let commands: readonly string[] = [];
  const ended = new AbortController();
  const began = performance.now();
  const proxy = startProxy({
    nodeName: 'node-1',
    informers,
    clock: systemClock,
    log: silentLog,
    signal: ended.signal,
    tables: [TABLE],
    nft: (sent) => {
      commands = sent;
      return namespace.nft(sent);
    },
    hasRules: async () => true,
    conntrack: async () => undefined,
  });
  await proxy.ready;
  times.push(performance.now() - began);
  ended.abort();
  await proxy.stopped;
  floor.push(await namespace.nftMs(commands));
}
const note = 'nft -f with the same commands';
const value = median(times.slice(1));
const row = sizeRow(`nft-sync/${SERVICES} Services`, 'ms', { value, floor: { value: median(floor.slice(1)), note } });
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));

/** Copies that are current and stay as they are. */
function informersOf(lists: Record<string, readonly KubeObject[]>): Informers {
  const of = (kind: Kind, indexKeys?: (object: KubeObject) => string | string[] | undefined) => {
    const all = lists[kind.plural] ?? [];
    const byKey = new Map(all.map((object) => [keyOf(object), object]));
    const byIndex = new Map<string, KubeObject[]>();
    for (const object of all) {
      const key = indexKeys?.(object);
      if (typeof key === 'string') byIndex.set(key, [object]);
    }
    return {
      get: (key: string) => byKey.get(key),
      list: () => all,
      under: (key: string) => byIndex.get(key) ?? [],
      onChange: () => () => undefined,
    };
  };
  const made = new Map<string, ReturnType<typeof of>>();
  const known = (kind: Kind, indexKeys?: Parameters<typeof of>[1]) => {
    const found = made.get(kind.plural) ?? of(kind, indexKeys);
    made.set(kind.plural, found);
    return found;
  };
  return { for: known, indexed: known, synced: async () => undefined } as unknown as Informers;
}
