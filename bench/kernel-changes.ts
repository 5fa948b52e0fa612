/** From a write to the rules that follow from it: a part of a node as `net` runs it, in a process and a network of its own. */
import { type Log, silentLog } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Clock } from '#base/clock.ts';
import { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { SharedInformers } from '#client/informers.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import type { RunNft } from '#network/netfilter/nft.ts';
import { networkNamespace } from './network-namespace.ts';

export interface Followed {
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  nft: RunNft;
}

export interface KernelChanges {
  count: number;
  start(followed: Followed): { ready: Promise<void>; stopped: Promise<void> };
  /** The n-th change, from 1 on, and whether these commands put it in force. */
  change(n: number): { write(client: Client): Promise<unknown>; isIn(commands: readonly string[]): boolean };
  /** What nft is asked for by itself afterwards, and takes back with the other verb. */
  floor(verb: 'add' | 'delete'): string;
}

export interface Timed {
  /** ms, without the first quarter. */
  times: number[];
  /** ms until a write was answered. */
  written: number[];
  /** ms of the nft that waits alone. */
  floor: number[];
}

const FLOOR_RUNS = 50;

/** @param args NETWORK KUBECONFIG ORIGIN */
export async function timedKernelChanges(
  [network = '', kubeconfig = '', origin = '']: readonly string[],
  { count, start, change, floor: floorOf }: KernelChanges,
): Promise<Timed> {
  const namespace = networkNamespace(network);
  const access = readKubeconfig(kubeconfig);
  const endpoint = endpointOf({ ...access, cluster: { ...access.cluster, server: origin } });
  const client = () => new Client(new NodeTransport({ ...endpoint, clock: systemClock, userAgent: 'bench' }));
  const ended = new AbortController();
  const shared = { clock: systemClock, random: systemRandom, log: silentLog, signal: ended.signal };
  const floorTaken = new AbortController();
  const nft = namespace.waitingNft(floorTaken.signal);
  let isAwaited: (commands: readonly string[]) => boolean = () => false;
  let inForce: () => void = () => undefined;
  const running = start({
    informers: new SharedInformers({ client: client(), ...shared }),
    ...shared,
    nft: async (commands) => {
      await nft(commands);
      if (isAwaited(commands)) inForce();
    },
  });
  await running.ready;
  const writer = client();
  const timed: Timed = { times: [], written: [], floor: [] };
  for (let n = 1; n <= count; n++) {
    const { write, isIn } = change(n);
    isAwaited = isIn;
    const seen = new Promise<void>((resolve) => {
      inForce = resolve;
    });
    const began = performance.now();
    const written = write(writer).then(() => timed.written.push(performance.now() - began));
    await seen;
    timed.times.push(performance.now() - began);
    await written;
  }
  ended.abort();
  await running.stopped;
  for (let n = 0; n < FLOOR_RUNS; n++) {
    const began = performance.now();
    await nft([floorOf(n % 2 === 0 ? 'add' : 'delete')]);
    timed.floor.push(performance.now() - began);
  }
  floorTaken.abort();
  timed.times.splice(0, count / 4);
  return timed;
}
