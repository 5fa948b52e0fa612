/**
 * One process of the Ingress beside one of nginx and one of haproxy, in front of the same backend, in short pieces turn about; and
 * what it takes of memory with 5,000 routes. Client, proxy and backend share the machine: the CPU of the proxy alone says most.
 */
import type { TableChange } from '#network/ingress/ingress-server.ts';
import { routeTableOf } from '#network/ingress/route-table.ts';
import type { Bench } from './bench.ts';
import { type BundledProcess, startBundled } from './bundled-process.ts';
import type { Http1LoadOptions } from './http1-load.ts';
import type { Load } from './http2-load.ts';
import { type Peer, startPeers } from './ingress-peers.ts';
import { ingressesFor } from './ingresses.ts';
import { cpuMicrosecondsEach, memoryOf } from './process-usage.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad } from './turns.ts';

const HOST = 'www.example.com';
const CONNECTIONS = [1, 16, 512];
const ROUNDS = 3;
const PIECE_MS = 1_200;
const WARM_UP_MS = 1_500;
const ROUTES = 5_000;
const OURS = 'kedge';

export async function run(bench: Bench): Promise<Row[]> {
  const backend = await startBundled(bench, 'http1-backend');
  const client = await startBundled(bench, 'http1-client');
  const backendPort = backend.greeting as number;
  const ingress = await startBundled(bench, 'ingress-process');
  await ingress.ask(tableFor(1, backendPort));
  const ours = { name: OURS, port: ingress.greeting as number, pid: ingress.pid };
  const proxies = [ours, ...(await startPeers(bench, backendPort, HOST))];
  const memory = memoryOf(ingress.pid).rss;
  const rows: Row[] = [];
  for (const { port } of proxies) await loadOf(client, { port, connections: 64, forMs: WARM_UP_MS });
  for (const connections of CONNECTIONS) rows.push(...(await beside(bench, client, { proxies, connections })));
  return [...rows, await memoryRow(bench, memory)];
}

interface Case {
  proxies: readonly Peer[];
  connections: number;
}

async function beside(bench: Bench, client: BundledProcess, { proxies, connections }: Case): Promise<Row[]> {
  const name = `ingress/${connections} connections`;
  bench.say(`${connections} connections`);
  const pieces = new Map<string, { done: Load; cpu: number }[]>(proxies.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, port, pid } of proxies) {
      const act = () => loadOf(client, { port, connections, forMs: PIECE_MS });
      pieces.get(name)?.push(await cpuMicrosecondsEach(pid, act, ({ times }) => times.length));
    }
  }
  const merged = new Map([...pieces].map(([name, all]) => [name, mergedLoad(all)]));
  const own = merged.get(OURS);
  if (!own) return [];
  const nginx = merged.get('nginx');
  const floor = (value: number | undefined) => value !== undefined && { floor: { value, note: 'nginx, one process' } };
  const rows = [
    rateRow(name, { ...own, ...floor(nginx?.perSecond) }),
    sizeRow(`${name}, CPU of the proxy`, 'µs', { value: own.cpu, ...floor(nginx?.cpu) }),
  ];
  for (const [peer, found] of merged) {
    if (peer === OURS) continue;
    rows.push(rateRow(`${name}, ${peer}`, found));
    rows.push(sizeRow(`${name}, CPU of ${peer}`, 'µs', { value: found.cpu }));
  }
  return rows;
}

const loadOf = (client: BundledProcess, options: Omit<Http1LoadOptions, 'host'>): Promise<Load> =>
  client.ask<Load>({ ...options, host: HOST });

/** `count` hosts with a path each; the first is the one that is asked for. */
function tableFor(count: number, port: number): TableChange {
  const hosts = [...routeTableOf(ingressesFor(count, HOST)).hosts];
  return { hosts, endpoints: [['shop/web:80', [{ address: '127.0.0.1', port }]]] };
}

async function memoryRow(bench: Bench, withOne: number): Promise<Row> {
  const process = await startBundled(bench, 'ingress-process');
  await process.ask(tableFor(ROUTES, 1));
  const note = 'the same process with one route';
  return sizeRow(`ingress/memory with ${ROUTES} routes`, 'MB', {
    value: memoryOf(process.pid).rss,
    floor: { value: withOne, note },
  });
}
