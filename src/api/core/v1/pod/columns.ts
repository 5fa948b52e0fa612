/** How kubectl shows a pod. STATUS is not a field: it is read from the phase and the states of all containers. */
import type { Container, ContainerState, ContainerStatus, Pod } from '#api/generated/schema.ts';
import { ageColumn, column, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { humanSince } from '#api/machinery/duration.ts';
import type { Column } from '#api/machinery/kind.ts';
import { conditionOf, isConditionTrue, isRestartableInit, isTerminal } from '../pod-conditions.ts';

export const podColumns: readonly Column<Pod>[] = [
  nameColumn(),
  column('Ready', 'string', readyOf),
  column('Status', 'string', statusOf),
  column('Restarts', 'string', restartsOf, { timeDependent: true }),
  ageColumn(),
  wideColumn('IP', 'string', ({ status }) => status?.podIPs?.[0]?.ip || status?.podIP || '<none>'),
  wideColumn('Node', 'string', ({ spec }) => spec.nodeName || '<none>'),
  wideColumn('Nominated Node', 'string', ({ status }) => status?.nominatedNodeName || '<none>'),
  wideColumn('Readiness Gates', 'string', gatesOf),
];

/** What was seen of the pod's containers while walking them in order. */
interface Summary {
  reason: string;
  ready: number;
  restarts: number;
  /** In ms since the epoch; undefined when nothing was restarted. */
  lastRestartMs: number | undefined;
}

function readyOf(pod: Pod): string {
  const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInit).length;
  return `${summaryOf(pod).ready}/${pod.spec.containers.length + sidecars}`;
}

function statusOf(pod: Pod): string {
  if (pod.metadata.deletionTimestamp) {
    if (pod.status?.reason === 'NodeLost') return 'Unknown';
    if (!isTerminal(pod)) return 'Terminating';
  }
  return summaryOf(pod).reason;
}

function restartsOf(pod: Pod, nowMs: number): string {
  const { restarts, lastRestartMs } = summaryOf(pod);
  if (restarts === 0 || lastRestartMs === undefined) return String(restarts);
  return `${restarts} (${humanSince(new Date(lastRestartMs).toISOString(), nowMs)} ago)`;
}

function gatesOf({ spec, status }: Pod): string {
  const gates = spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const open = gates.filter(({ conditionType }) => isConditionTrue({ status }, conditionType)).length;
  return `${open}/${gates.length}`;
}

function summaryOf(pod: Pod): Summary {
  const { status } = pod;
  let reason: string = status?.reason || status?.phase || '';
  if (conditionOf(pod, 'PodScheduled')?.reason === 'SchedulingGated') reason = 'SchedulingGated';
  const init = summaryOfInit(pod);
  if (init.reason && !isConditionTrue(pod, 'Initialized')) return { ...init, reason: init.reason };

  const running = summaryOfRunning(status?.containerStatuses ?? [], init.reason ?? reason);
  const completedBeside = running.reason === 'Completed' && running.anyRunning;
  return {
    reason: completedBeside ? (isConditionTrue(pod, 'Ready') ? 'Running' : 'NotReady') : running.reason,
    ready: init.ready + running.ready,
    restarts: init.sidecarRestarts + running.restarts,
    lastRestartMs: later(init.sidecarLastRestartMs, running.lastRestartMs),
  };
}

interface InitSummary extends Omit<Summary, 'reason'> {
  /** What it waits for or failed at; undefined when all have done their part. */
  reason: string | undefined;
  sidecarRestarts: number;
  sidecarLastRestartMs: number | undefined;
}

function summaryOfInit({ spec, status }: Pod): InitSummary {
  const containers = new Map(
    (spec.initContainers ?? []).map((container): [string, Container] => [container.name, container]),
  );
  const summary: InitSummary = {
    reason: undefined,
    ready: 0,
    restarts: 0,
    lastRestartMs: undefined,
    sidecarRestarts: 0,
    sidecarLastRestartMs: undefined,
  };
  for (const [index, container] of (status?.initContainerStatuses ?? []).entries()) {
    const declared = containers.get(container.name);
    const sidecar = declared !== undefined && isRestartableInit(declared);
    summary.restarts += container.restartCount;
    summary.lastRestartMs = later(summary.lastRestartMs, lastRestartOf(container));
    if (sidecar) {
      summary.sidecarRestarts += container.restartCount;
      summary.sidecarLastRestartMs = later(summary.sidecarLastRestartMs, lastRestartOf(container));
    }
    const { terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) summary.ready += 1;
      continue;
    }
    return { ...summary, reason: initReason(container.state ?? {}, `${index}/${containers.size}`) };
  }
  return summary;
}

function initReason({ terminated, waiting }: ContainerState, progress: string): string {
  if (terminated) return `Init:${terminated.reason || signalOrCode(terminated)}`;
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
  return `Init:${progress}`;
}

/** The first container that has something to say gives the reason: so they are walked from the last to the first. */
function summaryOfRunning(statuses: readonly ContainerStatus[], before: string): Summary & { anyRunning: boolean } {
  const summary = {
    reason: before,
    ready: 0,
    restarts: 0,
    lastRestartMs: undefined as number | undefined,
    anyRunning: false,
  };
  for (const container of statuses.toReversed()) {
    const { waiting, terminated, running } = container.state ?? {};
    summary.restarts += container.restartCount;
    summary.lastRestartMs = later(summary.lastRestartMs, lastRestartOf(container));
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated) summary.reason = terminated.reason || signalOrCode(terminated);
    else if (container.ready && running) {
      summary.anyRunning = true;
      summary.ready += 1;
    }
  }
  return summary;
}

const signalOrCode = ({ signal, exitCode }: { signal?: number; exitCode: number }) =>
  signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;

function lastRestartOf({ lastState }: ContainerStatus): number | undefined {
  const finished = lastState?.terminated?.finishedAt;
  return finished ? Date.parse(finished) : undefined;
}

const later = (a: number | undefined, b: number | undefined) => (a === undefined || (b !== undefined && b > a) ? b : a);
