/** What every process of a cluster that talks to the API has: a log, an end by signal, a client, informers. */
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { Log } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import type { ClientCredentials } from '#client/transport/credentials.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import type { Transport } from '#client/transport.ts';
import { processLog } from './process-log.ts';
import { systemClock, systemRandom } from './system-clock.ts';

export interface ComponentProcess {
  log: Log;
  /** Aborts when the process is told to end. */
  signal: AbortSignal;
  /** To be called when everything runs: resolves when the process is told to end. Told before, it ends at once. */
  untilTold(): Promise<void>;
}

/** TERM and INT end it; a bug ends it with its stack in the log, and the supervisor starts it again. */
export function componentProcess(component: string): ComponentProcess {
  // One signal ends many: every informer, controller and loop of a component listens to it.
  setMaxListeners(0);
  const log = processLog(component);
  const ending = new AbortController();
  let isUp = false;
  setInterval(() => undefined, 2 ** 30); // the clock's timers keep no process alive; this one ends when it is told to
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!isUp) process.exit(0);
      ending.abort();
    });
  }
  const crash = (error: unknown) => {
    log.error('a bug ended this process', { error });
    process.exit(70); // sysexits(3): internal software error
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  return {
    log,
    signal: ending.signal,
    untilTold: () =>
      new Promise((resolve) => {
        isUp = true;
        ending.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
}

export interface ApiAccess {
  transport: Transport;
  client: Client;
  informers: SharedInformers;
}

export function apiAccess(
  { log, signal }: ComponentProcess,
  {
    folder,
    file,
    userAgent,
    credentials,
  }: { folder: string; file: string; userAgent: string; credentials?: ClientCredentials },
): ApiAccess {
  const endpoint = endpointOf(readKubeconfig(join(folder, file)));
  const options = { ...endpoint, ...(credentials && { credentials }), clock: systemClock, userAgent };
  const transport = new NodeTransport(options);
  const client = new Client(transport);
  return {
    transport,
    client,
    informers: new SharedInformers({ client, clock: systemClock, random: systemRandom, log, signal }),
  };
}
