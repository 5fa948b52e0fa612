/**
 * POST pods/NAME/eviction: a delete that a PodDisruptionBudget may refuse. The budget is charged before the pod goes,
 * so that two evictions never share the last allowance. Source: documentation, "API-initiated Eviction"; upstream's
 * eviction.go.
 */
import { Pod } from '#api/core/v1/pod.ts';
import type { Eviction, PodCondition, PodStatus } from '#api/generated/schema.ts';
import { isEverything, matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { badRequest, forbidden, hasReason, internalError, notFound, StatusError } from '#api/machinery/status.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { decodeBody } from '../decode-object.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import { removeStored } from '../verbs/delete.ts';
import type { DeleteOptions } from '../verbs/delete-options.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import { isDryRun, writeOptionsOf } from '../verbs/write-options.ts';
import type { VerbServices } from './behaviour.ts';
import type { At, Change } from './stored-objects.ts';

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction' };
const CREATED = Object.freeze({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
/** So many unconfirmed evictions are allowed to stand in one budget. */
const MAX_DISRUPTED_PODS = 2000;

export async function evict(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { info } = call;
  const write = writeOptionsOf(info.query, 'CreateOptions');
  const eviction = decodeBody(EVICTION, call.body, { ...write, warn: call.warn }) as unknown as Eviction;
  const name = eviction.metadata.name || info.name;
  if (name !== info.name) throw badRequest('name in URL does not match name in Eviction object');
  const options = (eviction.deleteOptions ?? {}) as DeleteOptions;
  const dryRun = write.dryRun || isDryRun(options.dryRun ?? []);
  const request = admissionRequest(call, { verb: 'create', object: eviction, dryRun });
  await services.admission.mutate(request);
  await services.admission.validate(request);

  const at = { namespace: info.namespace, name: info.name };
  const pod = await services.stored.get(Pod, at);
  if (!pod) throw notFound(call.kind, info.name);
  if (!isGone(pod)) {
    const budget = await budgetOf(pod, services);
    if (budget && !mayGoAnyway(pod, budget)) await charge(budget, pod, { services, dryRun });
    if (!dryRun) await markDisrupted(at, services);
  }
  const main = { ...call, info: { ...info, subresource: '' } };
  await removeStored(main, { at, options: dryRun ? { ...options, dryRun: ['All'] } : options }, services);
  return { code: 201, object: CREATED };
}

/** Its absence is no disruption any more. */
const isGone = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined ||
  status?.phase === 'Succeeded' ||
  status?.phase === 'Failed' ||
  status?.phase === 'Pending';

async function budgetOf(pod: Pod, services: VerbServices): Promise<PodDisruptionBudget | undefined> {
  const { namespace = '', labels } = pod.metadata;
  const { items } = await services.caches.of(PodDisruptionBudget).list({ freshness: 'newest', namespace });
  const budgets = items.map((item) => item.object() as unknown as PodDisruptionBudget);
  const matching = budgets.filter(({ spec }) => {
    const selector = selectorFrom(spec.selector);
    return isEverything(selector) || matchesLabels(selector, labels);
  });
  if (matching.length > 1)
    throw internalError(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  return matching[0];
}

/** A pod that is not ready may go when the budget says so, or when it is not needed for what the budget wants. */
function mayGoAnyway(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  const isReady = pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
  if (isReady) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  return !!status && status.desiredHealthy > 0 && status.currentHealthy >= status.desiredHealthy;
}

async function charge(
  budget: PodDisruptionBudget,
  pod: Pod,
  { services, dryRun }: { services: VerbServices; dryRun: boolean },
): Promise<void> {
  const { namespace = '', name } = budget.metadata;
  try {
    await services.stored.update(
      PodDisruptionBudget,
      { namespace, name },
      {
        dryRun,
        change: (current) => charged(current!, pod, services),
      },
    );
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error; // the budget went meanwhile
  }
}

function charged(budget: PodDisruptionBudget, pod: Pod, { clock }: VerbServices): Change<PodDisruptionBudget> {
  const { metadata, status } = budget;
  if (!status || (status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw wouldViolate(`The disruption budget ${metadata.name} is still being processed by the server.`, 10);
  if (status.disruptionsAllowed < 0)
    throw forbidden(
      { group: 'policy', plural: 'poddisruptionbudget' },
      metadata.name,
      'pdb disruptions allowed is negative',
    );
  if (Object.keys(status.disruptedPods ?? {}).length > MAX_DISRUPTED_PODS)
    throw forbidden(
      { group: 'policy', plural: 'poddisruptionbudget' },
      metadata.name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    );
  if (status.disruptionsAllowed === 0)
    throw wouldViolate(
      `The disruption budget ${metadata.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
      0,
    );
  const disruptedPods = { ...status.disruptedPods, [pod.metadata.name]: timestampOf(clock.now()) };
  return {
    put: { ...budget, status: { ...status, disruptionsAllowed: status.disruptionsAllowed - 1, disruptedPods } },
  };
}

const wouldViolate = (why: string, retryAfterSeconds: number) =>
  new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: {
      causes: [{ reason: 'DisruptionBudget', message: why }],
      ...(retryAfterSeconds > 0 && { retryAfterSeconds }),
    },
  });

async function markDisrupted(at: At, { stored, clock }: VerbServices): Promise<void> {
  await stored.update(Pod, at, { change: (pod) => ({ put: withDisruptionTarget(pod!, clock.now()) }) });
}

function withDisruptionTarget(pod: Pod, nowMs: number): Pod {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: timestampOf(nowMs),
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
  };
  return { ...pod, status: { ...pod.status, conditions: [...others, condition] } as PodStatus };
}
