/**
 * Sizes whatever has a scale after its load. Every 15 s each metric says how many pods it asks for; the most of them counts.
 * Source: "Horizontal Pod Autoscaling"; texts as upstream's pkg/controller/podautoscaler.
 */
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { MetricStatus } from '#api/generated/schema.ts';
import { matchesLabels, parseLabelSelector, type Selector } from '#api/machinery/label-selector.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';
import { Unreachable } from '#client/transport.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { AutoscalerStatus } from './autoscaler-status.ts';
import { metricTypeOf, tolerancesOf } from './metric-proposals.ts';
import type { MetricsSource } from './metrics-source.ts';
import { NoProposal } from './no-proposal.ts';
import { Recommendations } from './recommendations.ts';
import { type Scales, type Target, UnknownTarget } from './scales.ts';

export interface AutoscalerSources {
  metrics: MetricsSource;
  scales: Scales;
}

const PERIOD_MS = 15_000;

/** What is remembered between steps. */
interface Memory {
  recommendations: Map<ObjectKey, Recommendations>;
  selectors: Map<ObjectKey, Selector>;
}

interface Step {
  key: ObjectKey;
  autoscaler: HorizontalPodAutoscaler;
  status: AutoscalerStatus;
  pods: Informer<Pod>;
  events: EventSink;
  nowMs: number;
}

export const horizontalPodAutoscalerController = (sources: AutoscalerSources) =>
  defineController(() => {
    const memory: Memory = { recommendations: new Map(), selectors: new Map() };
    return {
      name: 'horizontal-pod-autoscaler-controller',
      serviceAccount: 'horizontal-pod-autoscaler',
      eventSource: 'horizontal-pod-autoscaler',
      reconciles: HorizontalPodAutoscaler,
      // It is looked at as time goes by, whatever changes.
      when: () => false,
      watches: [watching(Pod, () => [])],
      writes: { status: [HorizontalPodAutoscaler] },
      also: [
        { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get', 'update'] },
        { apiGroups: ['metrics.k8s.io'], resources: ['pods'], verbs: ['list', 'watch'] },
        {
          apiGroups: ['custom.metrics.k8s.io', 'external.metrics.k8s.io'],
          resources: ['*'],
          verbs: ['get', 'list', 'watch'],
        },
      ],

      async reconcile(autoscaler: HorizontalPodAutoscaler, { key, cached, api, events, clock }) {
        const nowMs = clock.now();
        const status = new AutoscalerStatus(autoscaler, nowMs);
        await step({ key, autoscaler, status, pods: cached(Pod), events, nowMs }, sources, memory);
        try {
          await api.updateStatus(autoscaler, status.value);
        } catch (error) {
          if (!isAnswer(error)) throw error;
          events.warning(autoscaler, 'FailedUpdateStatus', error.message);
        }
        return again({ afterMs: PERIOD_MS });
      },

      async gone({ key }) {
        memory.recommendations.delete(key);
        memory.selectors.delete(key);
        return settled;
      },
    };
  });

const isAnswer = (error: unknown): error is Error => error instanceof StatusError || error instanceof Unreachable;

async function step(at: Step, { metrics, scales }: AutoscalerSources, memory: Memory): Promise<void> {
  const { key, autoscaler, status, events, nowMs } = at;
  let target: Target;
  try {
    target = await scales.find(autoscaler.spec.scaleTargetRef, autoscaler.metadata.namespace ?? '');
  } catch (error) {
    if (!isAnswer(error) && !(error instanceof UnknownTarget)) throw error;
    events.warning(autoscaler, 'FailedGetScale', error.message);
    const message = `the HPA controller was unable to get the target's current scale: ${error.message}`;
    status.say('AbleToScale', 'False', { reason: 'FailedGetScale', message });
    return;
  }
  const message = "the HPA controller was able to get the target's current scale";
  status.say('AbleToScale', 'True', { reason: 'SucceededGetScale', message });
  const current = target.scale.spec.replicas ?? 0;
  const recommendations = memory.recommendations.get(key) ?? new Recommendations(current, nowMs);
  memory.recommendations.set(key, recommendations);

  const size = await desiredSize(at, { target, source: metrics, recommendations, memory });
  if (!size) return;
  if (size.replicas === current) {
    status.measured({ current, desired: current, metrics: size.metrics });
    return;
  }
  await rescale(at, { target, recommendations, size });
}

interface Size {
  replicas: number;
  reason: string;
  metrics: MetricStatus[];
}

interface Known {
  target: Target;
  source: MetricsSource;
  recommendations: Recommendations;
  memory: Memory;
}

/** undefined: it cannot be told, and the status says why. */
async function desiredSize(at: Step, known: Known): Promise<Size | undefined> {
  const { autoscaler, status, nowMs, events } = at;
  const { minReplicas: min = 1, maxReplicas: max, behavior } = autoscaler.spec;
  const current = known.target.scale.spec.replicas ?? 0;
  if (current === 0) {
    const message = 'scaling is disabled since the replica count of the target is zero';
    status.say('ScalingActive', 'False', { reason: 'ScalingDisabled', message });
    status.forget('ScaledToZero');
    return { replicas: 0, reason: '', metrics: [] };
  }
  if (current > max) return { replicas: max, reason: 'Current number of replicas above Spec.MaxReplicas', metrics: [] };
  if (current < min) return { replicas: min, reason: 'Current number of replicas below Spec.MinReplicas', metrics: [] };
  const measured = await measure(at, known);
  if (measured.failure !== undefined) {
    status.measured({ current, metrics: measured.metrics });
    events.warning(autoscaler, 'FailedComputeMetricsReplicas', measured.failure);
    return undefined;
  }
  const desired = measured.replicas;
  const decision = known.recommendations.decide({ current, desired, min, max, behavior }, nowMs);
  status.say('AbleToScale', 'True', decision.ableToScale);
  status.say('ScalingLimited', decision.scalingLimited.isLimited ? 'True' : 'False', decision.scalingLimited);
  const reason =
    desired > current ? `${measured.name} above target` : desired < current ? 'All metrics below target' : '';
  return { replicas: decision.replicas, reason, metrics: measured.metrics };
}

interface Measured {
  replicas: number;
  /** Of the metric that asks for the most. */
  name: string;
  metrics: MetricStatus[];
  failure?: string;
}

/** Some that fail are let pass, unless the others would take pods away. */
async function measure(at: Step, { target, source, memory }: Known): Promise<Measured> {
  const { autoscaler, status, events, nowMs } = at;
  const { metrics } = autoscaler.spec;
  const { spec, status: scaleStatus } = target.scale;
  const selected = selectedPods(at, scaleStatus?.selector ?? '', memory);
  if (selected.failure !== undefined) return { replicas: 0, name: '', metrics: [], failure: selected.failure };
  const asked = {
    source,
    namespace: autoscaler.metadata.namespace ?? '',
    selector: scaleStatus?.selector ?? '',
    pods: selected.pods,
    currentReplicas: spec.replicas ?? 0,
    statusReplicas: scaleStatus?.replicas ?? 0,
    tolerances: tolerancesOf(autoscaler),
    nowMs,
  };
  const statuses: MetricStatus[] = [];
  const failures: { reason: string; why: string; text: string }[] = [];
  let most = { replicas: 0, name: '' };
  for (const metric of metrics) {
    const type = metricTypeOf(metric.type);
    try {
      const proposal = await type.propose(metric, asked);
      statuses.push(proposal.status);
      if (most.replicas === 0 || proposal.replicas > most.replicas) most = proposal;
    } catch (error) {
      if (!(error instanceof NoProposal)) throw error;
      statuses.push({ type: '' });
      events.warning(autoscaler, type.failed, error.message);
      const text = [type.failure(metric), error.message].filter(Boolean).join(': ');
      failures.push({ reason: type.failed, why: error.message, text });
    }
  }
  const [first] = failures;
  const takesAway = most.replicas < asked.currentReplicas;
  if (first && (failures.length >= metrics.length || takesAway)) {
    const message = `the HPA was unable to compute the replica count: ${first.why}`;
    status.say('ScalingActive', 'False', { reason: first.reason, message });
    const failure = `invalid metrics (${failures.length} invalid out of ${metrics.length}), first error is: ${first.text}`;
    return { replicas: 0, name: '', metrics: statuses, failure };
  }
  const message = `the HPA was able to successfully calculate a replica count from ${most.name}`;
  status.say('ScalingActive', 'True', { reason: 'ValidMetricFound', message });
  return { replicas: most.replicas, name: most.name, metrics: statuses };
}

/** Nobody else may size the same pods. */
function selectedPods(
  { key, autoscaler, status, pods, events }: Step,
  text: string,
  { selectors }: Memory,
): { pods: readonly Pod[]; failure?: string } {
  const failed = (reason: string, failure: string, message = failure) => {
    events.warning(autoscaler, reason, failure);
    const said = reason === 'SelectorRequired' ? 'InvalidSelector' : reason;
    status.say('ScalingActive', 'False', { reason: said, message });
    return { pods: [], failure };
  };
  if (text === '')
    return failed('SelectorRequired', 'selector is required', "the HPA target's scale is missing a selector");
  const parsed = parseLabelSelector(text);
  if (!parsed.ok)
    return failed(
      'InvalidSelector',
      `couldn't convert selector into a corresponding internal selector object: ${parsed.error}`,
    );
  selectors.set(key, parsed.value);
  const namespace = autoscaler.metadata.namespace ?? '';
  const selected = pods.inNamespace(namespace).filter(({ metadata }) => matchesLabels(parsed.value, metadata.labels));
  const others = [...selectors].filter(
    ([other, selector]) =>
      other.startsWith(`${namespace}/`) && selected.some(({ metadata }) => matchesLabels(selector, metadata.labels)),
  );
  if (others.length <= 1) return { pods: selected };
  const names = others.map(([other]) => `{${other.slice(namespace.length + 1)} ${namespace}}`).sort();
  return failed('AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${names.join(' ')}]`);
}

async function rescale(
  { autoscaler, status, events, nowMs }: Step,
  { target, recommendations, size }: { target: Target; recommendations: Recommendations; size: Size },
): Promise<void> {
  const current = target.scale.spec.replicas ?? 0;
  const { replicas, reason, metrics } = size;
  try {
    await target.resize(replicas);
  } catch (error) {
    if (!isAnswer(error)) throw error;
    events.warning(autoscaler, 'FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${error.message}`);
    const message = `the HPA controller was unable to update the target scale: ${error.message}`;
    status.say('AbleToScale', 'False', { reason: 'FailedUpdateScale', message });
    status.measured({ current, metrics });
    return;
  }
  const message = `the HPA controller was able to update the target scale to ${replicas}`;
  status.say('AbleToScale', 'True', { reason: 'SucceededRescale', message });
  events.normal(autoscaler, 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`);
  recommendations.scaled({ from: current, to: replicas, behavior: autoscaler.spec.behavior }, nowMs);
  status.forget('ScaledToZero');
  status.measured({ current, desired: replicas, metrics });
  status.scaled();
}
