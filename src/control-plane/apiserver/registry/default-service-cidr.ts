/** The ranges that this server gives addresses from, told as the ServiceCIDR `kubernetes`. Source: KEP-1880. */
import type { ServiceCIDR as ServiceCidr } from '#api/generated/schema.ts';
import { hasReason } from '#api/machinery/status.ts';
import { ServiceCIDR } from '#api/networking/v1/service-cidr.ts';
import type { Clock } from '#base/clock.ts';
import type { Client, Draft } from '#client/client.ts';
import { timestampOf } from '../verbs/object-identity.ts';

const NAME = 'kubernetes';

/** Leaves one that is there as it is: its ranges cannot change while addresses of them are held. */
export async function ensureDefaultServiceCidr(client: Client, cidrs: readonly string[], clock: Clock): Promise<void> {
  try {
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
