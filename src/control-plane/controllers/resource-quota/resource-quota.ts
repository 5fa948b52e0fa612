/**
 * Counts what a namespace uses of its quotas. The API server charges a quota when it lets something in; what has gone, is over
 * or was charged for nothing comes back here. Source: upstream's pkg/controller/resourcequota.
 */

import { Pod } from '#api/core/v1/pod.ts';
import { type Amounts, added, isSameAmounts, masked } from '#api/core/v1/quota/amounts.ts';
import { type DeviceSurroundings, ownerOf } from '#api/core/v1/quota/device-usage.ts';
import { evaluatorOf, type QuotaEvaluator } from '#api/core/v1/quota/evaluator.ts';
import { scopesOf } from '#api/core/v1/quota/scopes.ts';
import { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Informer } from '#client/informer.ts';
import type { AnyKindChange, AnyKindContext, AnyObjectRef, Outcome } from '../define-controller.ts';
import { again, anyKind, defineController, settled } from '../define-controller.ts';

/** Everything is counted anew, whatever was told or missed. */
const RECOUNT_MS = 5 * 60_000;

const isQuotas = ({ group, plural }: Kind): boolean => group === '' && plural === 'resourcequotas';
const isCountable = ({ scope, hub, verbs }: Kind): boolean =>
  scope === 'Namespaced' && !hub && verbs.includes('create') && verbs.includes('list') && verbs.includes('watch');
/** They come and go by the thousands, and nobody limits them. */
const isIgnored = ({ plural, group }: Kind): boolean =>
  plural === 'events' && (group === '' || group === 'events.k8s.io');

/** By them claims are counted under names of resources as well. */
const isClasses = ({ group, plural }: Kind): boolean => group === DeviceClass.group && plural === DeviceClass.plural;

export const resourceQuotaController = defineController({
  name: 'resourcequota-controller',
  reconciles: anyKind,
  follows: (kind) => (isCountable(kind) && !isIgnored(kind)) || isClasses(kind),
  wholes: (kind) => isQuotas(kind) || isClasses(kind) || !evaluatorOf(kind).countsOnly,
  workers: 5,
  also: [
    { apiGroups: ['*'], resources: ['*'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['resourcequotas/status'], verbs: ['update'] },
  ],

  *affects({ kind, key, now, before }: AnyKindChange, { kinds, cached }): Iterable<AnyObjectRef> {
    if (isQuotas(kind) && now && !isEqual(specOf(now), specOf(before))) yield { kind, key };
    if (!before || isClasses(kind)) return; // what is new was charged when it was let in
    const quotas = kinds.byResource('', 'v1', 'resourcequotas');
    const { namespace = '' } = before.metadata;
    const concerned = (quotas && cached(quotas)?.inNamespace(namespace)) ?? [];
    if (concerned.length === 0 || !mayFree({ kind, now, before })) return; // to ask for the quotas costs less than to count
    const evaluator = evaluatorOf(kind, aroundClaims({ kinds, cached }));
    for (const quota of concerned) {
      if (!namesUsed(quota as ResourceQuota, evaluator)) continue;
      yield { kind: quotas!, key: `${namespace}/${quota.metadata.name}` };
    }
  },

  async reconcile(_, object, context): Promise<Outcome> {
    const quota = object as ResourceQuota | undefined;
    if (!quota) return settled;
    const hard = quota.spec.hard ?? {};
    const counted = { ...quota.status?.used, ...countedUsage(quota, context) };
    const status = { hard, used: masked(counted, Object.keys(hard)) };
    const isTold =
      quota.status?.hard !== undefined &&
      quota.status.used !== undefined &&
      isEqual(quota.status.hard, hard) &&
      isSameAmounts(quota.status.used, status.used);
    if (!isTold) await context.api.update(ResourceQuota, { ...quota, status } as KubeObject, 'status');
    return again({ afterMs: RECOUNT_MS });
  },
});

const specOf = (quota: KubeObject | undefined): unknown => (quota as ResourceQuota | undefined)?.spec;

/** What goes, or changes what it uses, may leave something behind. */
function mayFree({ kind, now, before }: Pick<AnyKindChange, 'kind' | 'now'> & { before: KubeObject }): boolean {
  if (!now) return true;
  const evaluator = evaluatorOf(kind);
  if (evaluator.handles({ verb: 'update', subresource: 'status', next: now, current: before })) return true;
  return evaluator.mayFree?.(now, before) ?? false;
}

const namesUsed = ({ spec }: ResourceQuota, evaluator: QuotaEvaluator): boolean =>
  Object.keys(spec.hard ?? {}).some((name) => evaluator.isUsed(name));

/** Of every name that some served kind can use; 0 where nothing does. */
function countedUsage(quota: ResourceQuota, { kinds, cached, clock, weighs }: AnyKindContext): Amounts {
  const devices = aroundClaims({ kinds, cached });
  const names = Object.keys(quota.spec.hard ?? {});
  const selectors = scopesOf(quota.spec);
  let total: Record<string, string> = {};
  let objects = 0;
  for (const kind of kinds.all()) {
    if (!isCountable(kind) || isIgnored(kind)) continue;
    const evaluator = evaluatorOf(kind, devices);
    const used = names.filter((name) => evaluator.isUsed(name));
    if (used.length === 0) continue;
    total = added(total, Object.fromEntries(used.map((name) => [name, '0'])));
    for (const object of cached(kind)?.inNamespace(quota.metadata.namespace ?? '') ?? []) {
      objects++;
      if (!selectors.every((selector) => evaluator.matchesScope(object, selector))) continue;
      total = added(total, masked(evaluator.usage(object, clock.now()), used));
    }
  }
  weighs(objects);
  return total;
}

function aroundClaims({ kinds, cached }: Pick<AnyKindContext, 'kinds' | 'cached'>): DeviceSurroundings {
  const of = <T extends KubeObject>({ group, version, plural }: Kind<T>) => {
    const kind = kinds.byResource(group, version, plural);
    return (kind && cached(kind)) as Informer<T> | undefined;
  };
  return {
    classes: () => of(DeviceClass)?.list() ?? [],
    podOf: (claim) => of(Pod)?.get(`${claim.metadata.namespace}/${ownerOf(claim)?.name ?? ''}`),
    claimsBeside: ({ metadata }) => of(ResourceClaim)?.inNamespace(metadata.namespace ?? '') ?? [],
  };
}
