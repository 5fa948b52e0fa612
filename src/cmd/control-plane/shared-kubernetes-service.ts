/** The Service `kubernetes` of several API servers on one store: it leads to all that are alive. */
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { ApiServerEntries } from './api-server-entries.ts';
import { ensureKubernetesService, type KubernetesService, type ServedAt } from './kubernetes-service.ts';

export interface SharedServiceOptions {
  client: Client;
  storage: Storage;
  clock: Clock;
  log: Log;
  own: ServedAt;
  clusterIps: KubernetesService['clusterIps'];
}

/** Upstream's DefaultEndpointReconcilerInterval. */
const INTERVAL_MS = 10_000;
/** While the store does not answer, ends of entries pass. */
const LEAST_PAUSE_MS = 1_000;

/** Resolves when the Service leads here as well. `stop` takes this server out of it, unless it is the only one. */
export async function keepKubernetesService(options: SharedServiceOptions): Promise<{ stop(): Promise<void> }> {
  const { client, clock, log, clusterIps } = options;
  const entries = new ApiServerEntries(options);
  const stopping = new AbortController();
  const { signal } = stopping;
  const write = async (servers: readonly ServedAt[]) => {
    if (servers.length > 0) await ensureKubernetesService(client, { servers, clusterIps });
  };
  const tried = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      log.warn('the Service kubernetes was not brought up to date', { error: String(error) });
    }
  };
  const renew = () => tried(async () => write(await entries.renew()));

  await renew();
  const running = (async () => {
    while (!signal.aborted) {
      const pauseMs = Math.min(INTERVAL_MS, Math.max(LEAST_PAUSE_MS, entries.nextEndMs));
      await sleep(clock, pauseMs, signal).catch(() => undefined); // ends early only when it has to stop
      if (!signal.aborted) await renew();
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
      await tried(async () => write(await entries.remove()));
    },
  };
}
