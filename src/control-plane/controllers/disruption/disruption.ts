/**
 * Says of each PodDisruptionBudget how many of its pods may be taken down now. Evictions charge the budget themselves, see
 * pods/eviction; here the pods that they took are taken back from the account once they are gone, or have not gone.
 */
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import type { Condition, PodDisruptionBudgetStatus } from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import type { Informer } from '#client/informer.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { goText } from '../go-text.ts';
import { type Expected, expectedPods, SCALED } from './expected-pods.ts';
import { type OwnerScales, UnknownScale } from './owner-scales.ts';

/** A pod that was evicted and is still there after this was not evicted. Source: disruption controller, DeletionTimeout. */
const DELETION_TIMEOUT_MS = 120_000;

const selects = ({ spec, metadata }: PodDisruptionBudget, pod: Pod): boolean =>
  metadata.namespace === pod.metadata.namespace && matchesLabels(selectorFrom(spec.selector), pod.metadata.labels);

export const disruptionController = (scales: OwnerScales = unknownScales) =>
  defineController(() => {
    /** Each version of a pod is spoken of once. */
    const told = new WeakSet<Pod>();
    return {
      name: 'disruption-controller',
      eventSource: 'controllermanager',
      reconciles: PodDisruptionBudget,
      watches: [
        watching(Pod, (pod, cached) =>
          cached(PodDisruptionBudget)
            .inNamespace(pod.metadata.namespace ?? '')
            .filter((budget) => selects(budget as PodDisruptionBudget, pod))
            .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
        ),
        ...SCALED.map((kind) =>
          watching(
            kind as (typeof SCALED)[1],
            // Which of the budgets it concerns its pods tell: a change of its size is followed by changes of them.
            ({ metadata }, cached) =>
              cached(PodDisruptionBudget)
                .inNamespace(metadata.namespace ?? '')
                .map((budget) => `${budget.metadata.namespace}/${budget.metadata.name}`),
            (now, before) => now.spec.replicas !== before.spec.replicas,
          ),
        ),
      ],
      writes: { status: [PodDisruptionBudget] },
      also: [{ apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] }],

      async reconcile(budget: PodDisruptionBudget, { cached, api, events, clock, weighs }) {
        const pods = cached(Pod)
          .inNamespace(budget.metadata.namespace ?? '')
          .filter((pod) => selects(budget, pod));
        weighs(pods.length);
        if (pods.length === 0) events.normal(budget, 'NoPods', 'No matching pods found');
        for (const pod of withSeveral(budget, pods, cached(PodDisruptionBudget))) {
          if (told.has(pod)) continue;
          told.add(pod);
          events.warning(pod, 'MultiplePodDisruptionBudgets', severalText(pod, budget));
        }
        const nowMs = clock.now();
        let expected: Expected;
        try {
          expected = await expectedPods(budget, pods, { cached, scales });
        } catch (error) {
          if (!(error instanceof UnknownScale)) throw error;
          const text = `Failed to calculate the number of expected pods: ${error.message}`;
          events.warning(budget, 'CalculateExpectedPodCountFailed', text);
          await api.updateStatus(budget, failedStatus(budget, { message: error.message, nowMs }));
          return settled;
        }
        if (expected.unmanaged.length > 0) events.warning(budget, 'UnmanagedPods', unmanagedText(budget));
        const disrupted = disruptedPods(budget, pods, nowMs);
        for (const name of disrupted.late) {
          const pod = pods.find(({ metadata }) => metadata.name === name);
          const { namespace } = budget.metadata;
          // Upstream says the namespace twice, and its words are what is matched.
          const text = `Pod was expected by PDB ${namespace}/${namespace} to be deleted but it wasn't`;
          if (pod) events.warning(pod, 'NotDeleted', text);
        }
        await api.updateStatus(budget, statusOf(budget, { pods, expected, disrupted: disrupted.pending, nowMs }));
        return disrupted.nextMs === undefined ? settled : again({ afterMs: disrupted.nextMs });
      },
    };
  });

/** Pods that other budgets mean as well, where this budget is the first of them. */
function withSeveral(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  budgets: Informer<PodDisruptionBudget>,
): readonly Pod[] {
  const others = budgets
    .inNamespace(budget.metadata.namespace ?? '')
    .filter(({ metadata }) => metadata.name !== budget.metadata.name);
  return pods.filter((pod) => {
    const also = others.filter((other) => selects(other, pod));
    return also.length > 0 && also.every(({ metadata }) => metadata.name > budget.metadata.name);
  });
}

const severalText = ({ metadata: { namespace, name } }: Pod, budget: PodDisruptionBudget): string =>
  `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets.  Chose "${budget.metadata.name}" arbitrarily.`;

/** Where nobody can ask owners of other kinds than those that are watched. */
const unknownScales: OwnerScales = {
  sizeOf: ({ kind }) => Promise.reject(new UnknownScale(`the scale of ${kind} is not known`)),
};

const unmanagedText = ({ spec }: PodDisruptionBudget): string =>
  `Pods selected by this PodDisruptionBudget (selector: ${goText(spec.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;

interface Disrupted {
  /** Evicted and not gone yet: by name, since when. */
  pending: Record<string, string>;
  late: string[];
  nextMs: number | undefined;
}

function disruptedPods({ status }: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): Disrupted {
  const pending: Record<string, string> = {};
  const late: string[] = [];
  let nextMs: number | undefined;
  for (const { metadata } of pods) {
    const since = status?.disruptedPods?.[metadata.name];
    if (since === undefined || metadata.deletionTimestamp) continue;
    const leftMs = (millisOf(since) ?? 0) + DELETION_TIMEOUT_MS - nowMs;
    if (leftMs <= 0) {
      late.push(metadata.name);
      continue;
    }
    pending[metadata.name] = since;
    nextMs = Math.min(nextMs ?? leftMs, leftMs);
  }
  return { pending, late, nextMs };
}

interface Known {
  pods: readonly Pod[];
  expected: Expected;
  disrupted: Record<string, string>;
  nowMs: number;
}

function statusOf(budget: PodDisruptionBudget, { pods, expected, disrupted, nowMs }: Known): PodDisruptionBudgetStatus {
  const currentHealthy = pods.filter(
    (pod) => !pod.metadata.deletionTimestamp && !(pod.metadata.name in disrupted) && isReady(pod),
  ).length;
  const { desiredHealthy, expectedPods: expectedCount } = expected;
  const disruptionsAllowed = expectedCount <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const reason = disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods';
  const { generation } = budget.metadata;
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods: expectedCount,
    conditions: withAllowed(budget, { status: disruptionsAllowed > 0 ? 'True' : 'False', reason, message: '' }, nowMs),
  };
}

/** Nothing may be disrupted that cannot be judged. */
function failedStatus(
  budget: PodDisruptionBudget,
  { message, nowMs }: { message: string; nowMs: number },
): PodDisruptionBudgetStatus {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods: expected = 0, ...rest } = budget.status ?? {};
  const conditions = withAllowed(budget, { status: 'False', reason: 'SyncFailed', message }, nowMs, rest);
  return { ...rest, currentHealthy, desiredHealthy, expectedPods: expected, disruptionsAllowed: 0, conditions };
}

function withAllowed(
  { status, metadata }: PodDisruptionBudget,
  said: { status: 'True' | 'False'; reason: string; message: string },
  nowMs: number,
  { observedGeneration }: { observedGeneration?: number } = { observedGeneration: metadata.generation },
): Condition[] {
  const conditions = status?.conditions ?? [];
  const known = conditions.find(({ type }) => type === 'DisruptionAllowed');
  const condition = {
    type: 'DisruptionAllowed',
    ...said,
    ...(observedGeneration !== undefined && { observedGeneration }),
    lastTransitionTime: known?.status === said.status ? known.lastTransitionTime : timestampOf(nowMs),
  };
  return known ? conditions.map((each) => (each === known ? condition : each)) : [...conditions, condition];
}
