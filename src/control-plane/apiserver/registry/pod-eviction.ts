/**
 * POST pods/NAME/eviction: a delete that a PodDisruptionBudget may refuse. The budget is charged before the pod goes,
 * so that two evictions never share the last allowance. Source: documentation, "API-initiated Eviction"; upstream's
 * eviction.go.
 */
import { Pod } from '#api/core/v1/pod.ts';
import type { Eviction, PodCondition, PodDisruptionBudgetStatus, PodStatus } from '#api/generated/schema.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { isEverything, matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { badRequest, forbidden, hasReason, invalid, notFound, StatusError } from '#api/machinery/status.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { decodeBody } from '../decode-object.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import { refuseUnmetPreconditions, removeStored } from '../verbs/delete.ts';
import { type DeleteOptions, refuseInvalidOptions } from '../verbs/delete-options.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import { isDryRun, writeOptionsOf } from '../verbs/write-options.ts';
import type { VerbServices } from './behaviour.ts';
import type { At, Change } from './stored-objects.ts';

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction' };
const CREATED = Object.freeze({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });
const DISRUPTION_ALLOWED = 'DisruptionAllowed';
const MOST_TRIES = 20;
/** So many unconfirmed evictions are allowed to stand in one budget. */
const MAX_DISRUPTED_PODS = 2000;

export async function evict(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { info } = call;
  const write = writeOptionsOf(info.query, 'CreateOptions');
  const eviction = decodeBody(EVICTION, call.body, { ...write, warn: call.warn }) as unknown as Eviction;
  const name = eviction.metadata.name || info.name;
  if (name !== info.name) throw badRequest('name in URL does not match name in Eviction object');
  const options = eviction.deleteOptions ?? {};
  refuseUnsafeDeletion(name, options);
  refuseInvalidOptions(options);
  const dryRun = write.dryRun || isDryRun(options.dryRun ?? []);
  const request = admissionRequest(call, { verb: 'create', object: eviction, dryRun });
  await services.admission.mutate(request);
  await services.admission.validate(request);

  const at = { namespace: info.namespace, name: info.name };
  for (let tries = 1; ; tries++) {
    const outcome = await attempt(call, { at, options, dryRun }, services);
    if (outcome === 'gone') return { code: 201, object: CREATED };
    if (tries >= MOST_TRIES) throw outcome.changed;
  }
}

function refuseUnsafeDeletion(name: string, options: NonNullable<Eviction['deleteOptions']>): void {
  const field = 'ignoreStoreReadErrorWithClusterBreakingPotential';
  if (!options[field]) return;
  const text = 'can not be set for pod eviction, try after removing the option';
  throw invalid(EVICTION, name, [invalidValue(`deleteOptions.${field}`, true, text)]);
}

/** Once more when the pod has changed meanwhile, and may be one that a budget counts by now. */
async function attempt(
  call: ResourceCall,
  { at, options, dryRun }: Going,
  services: VerbServices,
): Promise<'gone' | { changed: StatusError }> {
  const pod = await services.stored.get(Pod, at);
  if (!pod) throw notFound(call.kind, at.name);
  const budget = isGone(pod) ? undefined : await budgetOf(pod, services);
  const isFree = budget !== undefined && mayGoAnyway(pod, budget);
  if (budget && !isFree) await charge(budget, pod, { services, dryRun });
  const isGuarded = (isFree || mayBecomeReady(pod)) && !options.preconditions?.resourceVersion;
  const guarded = isGuarded ? withPreconditions(options, pod) : options;
  try {
    await go(call, { at, dryRun, options: guarded }, services);
  } catch (error) {
    const isAnother = (options.preconditions?.uid ?? pod.metadata.uid) !== pod.metadata.uid;
    if (!isGuarded || !hasReason(error, 'Conflict') || isAnother) throw error;
    if (budget) throw stillProcessed(budget.metadata.name);
    return { changed: error };
  }
  return 'gone';
}

/** No budget counts it yet. */
const mayBecomeReady = ({ metadata, status }: Pod): boolean =>
  status?.phase === 'Pending' && metadata.deletionTimestamp === undefined;

interface Going {
  at: At;
  options: DeleteOptions;
  dryRun: boolean;
}

/** It says first why it goes. What is asked for of the pod has to be so before that. */
async function go(call: ResourceCall, { at, options, dryRun }: Going, services: VerbServices): Promise<void> {
  const main = { ...call, info: { ...call.info, subresource: '' } };
  if (dryRun) {
    await removeStored(main, { at, options: { ...options, dryRun: ['All'] } }, services);
    return;
  }
  const marked = await markDisrupted(call.kind, { at, options }, services);
  const isAsked = options.preconditions?.resourceVersion !== undefined;
  await removeStored(main, { at, options: isAsked ? withPreconditions(options, marked) : options }, services);
}

/** Only as it is here. */
const withPreconditions = (options: DeleteOptions, { metadata: { resourceVersion } }: Pod): DeleteOptions => ({
  ...options,
  preconditions: { ...options.preconditions, ...(resourceVersion && { resourceVersion }) },
});

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
    throw new StatusError(
      '',
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

/** One that went meanwhile is not found, as upstream has it: whoever asks again is asked about what is there then. */
async function charge(
  budget: PodDisruptionBudget,
  pod: Pod,
  { services, dryRun }: { services: VerbServices; dryRun: boolean },
): Promise<void> {
  const { namespace = '', name } = budget.metadata;
  const change = (current: PodDisruptionBudget | undefined) => charged(current!, pod, services);
  await services.stored.update(PodDisruptionBudget, { namespace, name }, { dryRun, change });
}

function charged(budget: PodDisruptionBudget, pod: Pod, { clock }: VerbServices): Change<PodDisruptionBudget> {
  const { metadata, status } = budget;
  if (!status || (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw stillProcessed(metadata.name);
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
    throw wouldViolate(`The disruption budget ${metadata.name} ${whyNone(status)}`, 0);
  const now = timestampOf(clock.now());
  const disruptedPods = { ...status.disruptedPods, [pod.metadata.name]: now };
  const disruptionsAllowed = status.disruptionsAllowed - 1;
  const charge = { ...status, disruptionsAllowed, disruptedPods };
  return { put: { ...budget, status: disruptionsAllowed === 0 ? usedUp(charge, now) : charge } };
}

/** What its controller could not find out counts for nothing. */
function whyNone({ conditions, desiredHealthy, currentHealthy }: PodDisruptionBudgetStatus): string {
  const condition = conditions?.find(({ type }) => type === DISRUPTION_ALLOWED);
  const said = condition?.status === 'False' ? condition.message : '';
  if (said && condition?.reason === 'SyncFailed')
    return `does not allow evicting pods currently because it failed sync: ${said}`;
  if (currentHealthy <= desiredHealthy)
    return `needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  return said
    ? `does not allow evicting pods currently (${condition?.reason}): ${said}`
    : 'does not allow evicting pods currently';
}

/** Its controller would say so, too, a moment later. */
function usedUp(status: PodDisruptionBudgetStatus, now: string): PodDisruptionBudgetStatus {
  const { conditions = [] } = status;
  const before = conditions.find(({ type }) => type === DISRUPTION_ALLOWED);
  const condition = {
    ...{ type: DISRUPTION_ALLOWED, status: 'False', reason: 'InsufficientPods', message: '' },
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : now,
    ...(status.observedGeneration !== undefined && { observedGeneration: status.observedGeneration }),
  };
  const next = before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
  return { ...status, conditions: next };
}

const stillProcessed = (name: string): StatusError =>
  wouldViolate(`The disruption budget ${name} is still being processed by the server.`, 10);

const wouldViolate = (why: string, retryAfterSeconds: number) =>
  new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: {
      causes: [{ reason: 'DisruptionBudget', message: why }],
      ...(retryAfterSeconds > 0 && { retryAfterSeconds }),
    },
  });

async function markDisrupted(
  kind: Kind,
  { at, options }: Pick<Going, 'at' | 'options'>,
  { stored, clock }: VerbServices,
): Promise<Pod> {
  const change = (pod: Pod | undefined): Change<Pod> => {
    refuseUnmetPreconditions(kind, pod!, options);
    return { put: withDisruptionTarget(pod!, clock.now()) };
  };
  return (await stored.update(Pod, at, { change })).object;
}

function withDisruptionTarget(pod: Pod, nowMs: number): Pod {
  const { conditions = [] } = pod.status ?? {};
  const before = conditions.find(({ type }) => type === 'DisruptionTarget');
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : timestampOf(nowMs),
  };
  const next = before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
  return { ...pod, status: { ...pod.status, conditions: next } as PodStatus };
}
