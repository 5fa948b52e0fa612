/**
 * Refuses what a namespace has no quota left for, and counts what it lets in. The last of all plugins, so that nothing is
 * charged that another refuses. Source: documentation, "Resource Quotas" and "Admission Control" (ResourceQuota).
 */
import { Pod } from '#api/core/v1/pod.ts';
import { type DeviceSurroundings, ownerOf } from '#api/core/v1/quota/device-usage.ts';
import { evaluatorOf } from '#api/core/v1/quota/evaluator.ts';
import { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { LiveLookup } from '../../live-lookup.ts';
import { type AdmissionPlugin, defineAdmission, refused } from '../define-admission.ts';
import type { LimitedResource } from './check-quotas.ts';
import { QuotaGate, type QuotaStore } from './quota-gate.ts';

export interface QuotaServices {
  /** Of the server itself. */
  client: Client;
  informers: Informers;
  live: LiveLookup;
}

/** `limited`: what needs a quota that covers it. */
export function resourceQuota(services: QuotaServices, limited: readonly LimitedResource[] = []): AdmissionPlugin {
  const gate = new QuotaGate(quotaStore(services));
  const hasQuotas = (namespace: string) => services.informers.for(ResourceQuota).inNamespace(namespace).length > 0;
  return defineAdmission({
    name: 'ResourceQuota',
    on: { resources: [{ group: '*', plural: '*', subresource: '*' }], verbs: ['create', 'update'] },
    reads: [ResourceQuota],
    validate(request, { clock }) {
      const { namespace, kind, object, old, verb, subresource, dryRun } = request;
      if (!namespace || !object || kind.scope !== 'Namespaced') return undefined;
      if (!COUNTED_SUBRESOURCES.has(subresource) || (limited.length === 0 && !hasQuotas(namespace))) return undefined;
      const write = { verb: verb as 'create' | 'update', subresource, next: object, current: old };
      if (!evaluatorOf(kind).handles(write)) return undefined;
      const check = { write, resource: kind, limited, nowMs: clock.now(), dryRun };
      const told = (refusal: string | undefined) => {
        if (refusal) throw refused(request, refusal);
      };
      if (kind.group !== ResourceClaim.group || kind.plural !== ResourceClaim.plural)
        return gate.pass(namespace, check).then(told);
      return around(object as ResourceClaim, services).then((devices) =>
        gate.pass(namespace, { ...check, devices }).then(told),
      );
    },
  });
}

/** Asked for each claim, of most only the classes: to follow all pods for the few others would cost more. */
async function around(claim: ResourceClaim, { client, live }: QuotaServices): Promise<DeviceSurroundings> {
  const { items: classes } = await client.list(DeviceClass);
  const owner = ownerOf(claim);
  if (!owner) return { classes: () => classes, podOf: () => undefined, claimsBeside: () => [] };
  const { namespace = '' } = claim.metadata;
  const pod = await live(Pod, { name: owner.name, namespace });
  const { items: claims } = await client.list(ResourceClaim, { namespace });
  return { classes: () => classes, podOf: () => pod, claimsBeside: () => claims };
}

/** Those that can change what is used. Others carry bodies of other kinds. */
const COUNTED_SUBRESOURCES: ReadonlySet<string> = new Set(['', 'status', 'resize']);

/** The list is the informer's, which may lag a moment; what each holds is read from the store. */
const quotaStore = ({ client, informers, live }: QuotaServices): QuotaStore => ({
  async quotasIn(namespace) {
    const known = informers.for(ResourceQuota).inNamespace(namespace);
    const found = await Promise.all(known.map(({ metadata: { name } }) => live(ResourceQuota, { name, namespace })));
    return found.filter((quota) => quota !== undefined);
  },
  writeStatus: (quota) => client.updateStatus(ResourceQuota, quota),
});
