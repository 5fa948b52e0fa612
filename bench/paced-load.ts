/** So many requests a second, or as many as the machine has, over connections that are kept or fresh ones; what fails is counted, and goes on. */
import { Agent, request } from 'node:http';
import { paced } from './paced.ts';

export interface PacedLoadOptions {
  address?: string;
  port: number;
  host: string;
  path: string;
  perSecond: number;
  /** At most, at a time. */
  connections: number;
  /** Each request has a connection of its own. */
  isFresh?: boolean;
}

export interface PacedLoad {
  /** ms, of those that were answered with 200. */
  times: number[];
  answered: number;
  failed: number;
  /** How the failed ones ended, and how many did. */
  failures: Map<string, number>;
}

const MOST_UNDER_WAY = 2;
const GIVE_UP_MS = 10_000;

export function pacedLoad(options: PacedLoadOptions): { stop(): Promise<PacedLoad> } {
  const { address = '127.0.0.1', port, host, path, perSecond, connections, isFresh = false } = options;
  const agent = new Agent({ keepAlive: !isFresh, maxSockets: connections });
  const load: PacedLoad = { times: [], answered: 0, failed: 0, failures: new Map() };
  const fail = (how: string) => {
    load.failed++;
    load.failures.set(how, (load.failures.get(how) ?? 0) + 1);
  };
  const one = () =>
    new Promise<void>((resolve) => {
      const began = performance.now();
      const sent = request({ host: address, port, path, agent, headers: { host }, timeout: GIVE_UP_MS }, (response) => {
        response.resume();
        response.on('end', () => {
          load.answered++;
          if (response.statusCode === 200) load.times.push(performance.now() - began);
          else fail(String(response.statusCode));
          resolve();
        });
        response.on('error', (error) => {
          fail(error.message);
          resolve();
        });
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', (error: NodeJS.ErrnoException) => {
        fail(error.code ?? error.message);
        resolve();
      });
      sent.end();
    });
  const asking = paced(perSecond, one, MOST_UNDER_WAY * connections);
  return {
    async stop() {
      await asking.stop();
      agent.destroy();
      return load;
    },
  };
}

/** Resolves when the path is answered with 200. */
export async function inForce({
  address = '127.0.0.1',
  port,
  host,
  path,
}: Pick<PacedLoadOptions, 'address' | 'port' | 'host' | 'path'>): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const status = () =>
    new Promise<number | undefined>((resolve) => {
      request({ host: address, port, path, agent, headers: { host } }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
        .on('error', () => resolve(undefined)) // nobody listens yet
        .end();
    });
  const deadline = performance.now() + GIVE_UP_MS;
  try {
    while ((await status()) !== 200) if (performance.now() > deadline) throw new Error(`${path} is not in force`);
  } finally {
    agent.destroy();
  }
}
