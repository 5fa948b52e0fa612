import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { Service as ServiceObject } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Informers } from '#client/informer.ts';
import { recordsFor } from './records.ts';
import type { Zone } from './zone.ts';

/**
 * Keeps the cluster zone equal to what the API says, until `signal` aborts. Resolves when the zone is complete once:
 * answering before that would deny names that exist. Level-driven: a change names the Service, never what happened to it.
 */
export async function keepZoneCurrent(zone: Zone, informers: Informers, signal: AbortSignal): Promise<void> {
  const services = informers.for(Service);
  const slices = informers.indexed(EndpointSlice, serviceKeyOf);
  const refresh = (key: string): void => {
    const service: ServiceObject | undefined = services.get(key);
    zone.replace(key, service ? recordsFor(service, slices.under(key), zone.domain) : []);
  };
  const stops = [
    services.onChange(({ key }) => refresh(key)),
    slices.onChange(({ now, before }) => {
      for (const key of new Set([now && serviceKeyOf(now), before && serviceKeyOf(before)])) if (key) refresh(key);
    }),
  ];
  const stopAll = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener('abort', stopAll, { once: true });
  await informers.synced(signal);
  for (const service of services.list()) refresh(keyOf(service));
}
