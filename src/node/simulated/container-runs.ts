/** When the containers of a pod on paper run, and what they use meanwhile. Pure. */
import type { Pod } from '#api/generated/schema.ts';
import type { SimulatedPodRule } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { parseQuantity } from '#api/machinery/quantity.ts';
import { behaviourOf } from './pod-behaviour.ts';
import { lastRunOf } from './simulated-pod.ts';

export interface ContainerRun {
  /** One that starts again is another. */
  id: string;
  namespace: string;
  pod: string;
  name: string;
  startMs: number;
  /** Absent: it runs. */
  endMs: number | undefined;
  cores: number;
  memoryBytes: number;
}

/** The last run of each container; none of what has not started yet. */
export function runsOf(pod: Pod, rules: readonly SimulatedPodRule[]): ContainerRun[] {
  const { startedAt, finishedAt } = lastRunOf(pod) ?? {};
  const startMs = Date.parse(startedAt ?? '');
  if (Number.isNaN(startMs)) return [];
  const { usage = {} } = behaviourOf(pod, rules);
  const { namespace = '', name, uid } = pod.metadata;
  const common = {
    namespace,
    pod: name,
    startMs,
    endMs: finishedAt === undefined ? undefined : Date.parse(finishedAt),
    cores: amount(usage.cpu),
    memoryBytes: amount(usage.memory),
  };
  return pod.spec.containers.map((container) => ({
    id: `${uid}/${container.name}/${startMs}`,
    ...common,
    name: container.name,
  }));
}

const amount = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(parseQuantity(quantity)?.nanos ?? 0n) / 1e9;
