/** From a proxy that knows 10,000 Services and has no rules to all rules in force, again and again, in the network it is run in. */
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { fillTable, type FillTable, runNft } from '#network/netfilter/nft.ts';
import { SERVICES, storedService, storedSlice, TABLE } from './proxied-services.ts';
import { median, sizeRow } from './row.ts';

const ROUNDS = 7;
const TARGET_MS = 500;

const objects = {
  services: Array.from({ length: SERVICES }, (_, i) => storedService(i)),
  endpointslices: Array.from({ length: SERVICES }, (_, i) => storedSlice(i)),
  pods: [],
};
const informers = informersOf(objects);
const [times, floor]: [number[], number[]] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  let commands: (readonly string[])[] = [];
  const noted: FillTable = (table, parts) => {
    commands = [[`add table ${table}`, `delete table ${table}`, `add table ${table}`]];
    return fillTable(table, kept(parts, commands));
  };
  const ended = new AbortController();
  const began = performance.now();
  const proxy = startProxy({
    nodeName: 'node-1',
    informers,
    clock: systemClock,
    log: silentLog,
    signal: ended.signal,
    tables: [TABLE],
    fillTable: noted,
    hasRules: async () => true,
    conntrack: async () => undefined,
  });
  await proxy.ready;
  times.push(performance.now() - began);
  ended.abort();
  await proxy.stopped;
  const floorBegan = performance.now();
  await runNft(commands.flat());
  floor.push(performance.now() - floorBegan);
}
const note = 'nft -f with the same commands';
const value = median(times.slice(1));
const row = sizeRow(`nft-sync/${SERVICES} Services`, 'ms', { value, floor: { value: median(floor.slice(1)), note } });
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));

function* kept<T>(all: Iterable<T>, into: T[]): Generator<T> {
  for (const one of all) {
    into.push(one);
    yield one;
  }
}

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
