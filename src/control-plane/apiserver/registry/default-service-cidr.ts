/** The ranges that this server gives addresses from, told as the ServiceCIDR `kubernetes`. Source: KEP-1880. */
import type { ServiceCIDR as ServiceCidr } from '#api/generated/schema.ts';
import { hasReason } from '#api/machinery/status.ts';
import { ServiceCIDR } from '#api/networking/v1/service-cidr.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client, Draft } from '#client/client.ts';
import type { LiveLookup } from '../live-lookup.ts';
import { timestampOf } from '../verbs/object-identity.ts';

const NAME = 'kubernetes';

/** How often it is looked whether somebody has deleted it. */
const EVERY_MS = 10_000;

/** Made again when it has gone. */
export function keepDefaultServiceCidr(options: {
  client: Client;
  live: LiveLookup;
  cidrs: readonly string[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}): void {
  const { client, live, cidrs, clock, log, signal } = options;
  const keep = async () => {
    if (!(await live(ServiceCIDR, { name: NAME }))) await ensureDefaultServiceCidr(client, cidrs, clock);
  };
  const look = () => {
    keep().catch((error: unknown) => {
      if (!signal.aborted) log.warn('the default ServiceCIDR could not be kept', { error: String(error) });
    });
    timer = clock.timer(EVERY_MS, look);
  };
  let timer = clock.timer(EVERY_MS, look);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

/** Leaves one that is there as it is: its ranges cannot change while addresses of them are held. */
export async function ensureDefaultServiceCidr(client: Client, cidrs: readonly string[], clock: Clock): Promise<void> {
  try {
    if (await isThere(client)) return;
    const wanted = { metadata: { name: NAME }, spec: { cidrs: [...cidrs] } } as Draft<ServiceCidr>;
    const created = await client.create(ServiceCIDR, wanted);
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: '',
      message: 'Kubernetes default Service CIDR is ready',
      lastTransitionTime: timestampOf(clock.now()),
    } as const;
    await client.updateStatus(ServiceCIDR, { ...created, status: { conditions: [ready] } } as Draft<ServiceCidr>);
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists', 'Conflict')) throw error; // another server was faster
  }
}

async function isThere(client: Client): Promise<boolean> {
  try {
    await client.get(ServiceCIDR, { name: NAME });
    return true;
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
    return false;
  }
}
