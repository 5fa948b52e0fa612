/**
 * What must happen now so that the runtime has what the pod says. Pure: every path is a table test. Init containers run
 * one after the other to success; sidecars among them must have started before the next; then all the others at once.
 */
import type { Container, Pod } from '#api/generated/schema.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { ephemeralContainers, initContainers, isSidecar } from './pod-containers.ts';
import { type ContainerToReset, containersToReset } from './restart-all.ts';
import { mayRestart } from './restart-policy.ts';
import { hashAnnotation, hashOf } from './runtime-labels.ts';
import { containerNameOf, isAlive, newestOf, type RuntimePod } from './runtime-pods.ts';

/** The exit code of one that is killed. */
const KILLED = 137;

export interface ContainerToKill {
  status: ContainerStatus;
  container: Container | undefined;
  /** The event's text. */
  message: string;
  reason: 'Unhealthy' | 'Changed' | 'Lost';
}

export interface PodActions {
  /** Stop everything, the sandbox too: it is to be made anew, or the pod has finished. */
  killPod: boolean;
  /** undefined: the sandbox stays. */
  createSandbox: { attempt: number } | undefined;
  sandboxId: string | undefined;
  kill: ContainerToKill[];
  start: Container[];
  /** Killed without grace, and removed, one after the other: all are to begin again. */
  reset: ContainerToReset[];
}

/** What probes say of a running container. undefined: nothing against it. */
export type Verdict = 'liveness failed' | 'startup failed' | undefined;
export interface Health {
  verdict(status: ContainerStatus): Verdict;
  /** The startup probe has succeeded, or there is none. */
  hasStarted(container: Container, status: ContainerStatus): boolean;
}

export function podActions(pod: Pod, now: RuntimePod, health: Health): PodActions {
  const sandbox = sandboxState(pod, now);
  if (sandbox.mustBeMade) return actionsForNewSandbox(pod, now, sandbox.attempt);

  const { id: sandboxId } = sandbox;
  const actions: PodActions = { killPod: false, createSandbox: undefined, sandboxId, kill: [], start: [], reset: [] };
  const reset = containersToReset(pod, now);
  if (reset.length > 0) return { ...actions, reset };
  for (const container of ephemeralContainers(pod)) if (!newestOf(now, container.name)) actions.start.push(container);

  const init = initActions(pod, now, health);
  actions.kill.push(...init.kill);
  actions.start.push(...init.start);
  if (init.state === 'failed') return { ...actions, killPod: true, start: [] };
  if (init.state === 'busy') return actions;

  let kept = 0;
  for (const container of pod.spec.containers) {
    const status = newestOf(now, container.name);
    if (!status || !isAlive(status)) {
      if (shouldStart(pod, container, status)) actions.start.push(container);
      continue;
    }
    const kill = lost(container, status, 'Container') ?? reasonToKill(container, status, health);
    if (!kill) {
      kept += 1;
      continue;
    }
    actions.kill.push(kill);
    if (kill.reason !== 'Unhealthy' || mayRestart(pod, container, KILLED)) actions.start.push(container);
  }
  const nothingLeft = kept === 0 && !actions.start.some((container) => pod.spec.containers.includes(container));
  return nothingLeft ? { ...actions, killPod: true, start: [] } : actions;
}

interface SandboxState {
  mustBeMade: boolean;
  attempt: number;
  id: string | undefined;
}

function sandboxState(pod: Pod, now: RuntimePod): SandboxState {
  const [newest] = now.sandboxes;
  if (!newest) return { mustBeMade: true, attempt: 0, id: undefined };
  const ready = now.sandboxes.filter(({ state }) => state === 'SANDBOX_READY');
  const isUsable =
    ready.length === 1 && newest.state === 'SANDBOX_READY' && (pod.spec.hostNetwork === true || newest.ips.length > 0);
  return { mustBeMade: !isUsable, attempt: newest.metadata.attempt + (isUsable ? 0 : 1), id: newest.id };
}

function actionsForNewSandbox(pod: Pod, now: RuntimePod, attempt: number): PodActions {
  const nothing: PodActions = {
    killPod: now.sandboxes.length > 0,
    createSandbox: undefined,
    sandboxId: undefined,
    kill: [],
    start: [],
    reset: [],
  };
  const everRan = now.containers.length > 0;
  const mayAgain = pod.spec.containers.some((container) => mayRestart(pod, container, KILLED));
  if (!mayAgain && attempt !== 0 && everRan) return nothing;
  const toStart = pod.spec.containers.filter((container) => {
    const status = newestOf(now, container.name);
    if (status?.state === 'CONTAINER_EXITED') return mayRestart(pod, container, status.exitCode);
    return !status || status.state === 'CONTAINER_CREATED' || mayRestart(pod, container, KILLED);
  });
  if (toStart.length === 0 && hasInitialized(pod, now)) return nothing;
  const [firstInit] = initContainers(pod);
  return { ...nothing, createSandbox: { attempt }, start: firstInit ? [firstInit] : toStart };
}

interface InitActions {
  state: 'done' | 'busy' | 'failed';
  kill: ContainerToKill[];
  start: Container[];
}

function initActions(pod: Pod, now: RuntimePod, health: Health): InitActions {
  const result: InitActions = { state: 'done', kill: [], start: [] };
  const initialized = hasInitialized(pod, now);
  for (const container of initContainers(pod)) {
    const status = newestOf(now, container.name);
    if (isSidecar(container)) {
      const started = sidecarActions(container, status, { health, result });
      if (!started && !initialized) return { ...result, state: 'busy' };
    } else if (!initialized) {
      const state = initState(pod, container, status);
      if (state === 'failed') return { ...result, state: 'failed' };
      const kill = status && lost(container, status, 'Init container');
      if (kill) result.kill.push(kill);
      if (state === 'start') result.start.push(container);
      if (state !== 'done') return { ...result, state: 'busy' };
    }
  }
  return result;
}

/** @returns whether it counts as started */
function sidecarActions(
  container: Container,
  status: ContainerStatus | undefined,
  { health, result }: { health: Health; result: InitActions },
): boolean {
  if (!status || !isAlive(status)) {
    result.start.push(container);
    return false;
  }
  const kill = lost(container, status, 'Init container') ?? reasonToKill(container, status, health);
  if (!kill) return health.hasStarted(container, status);
  result.kill.push(kill);
  result.start.push(container);
  return false;
}

function initState(
  pod: Pod,
  container: Container,
  status: ContainerStatus | undefined,
): 'start' | 'wait' | 'done' | 'failed' {
  if (!status) return 'start';
  if (status.state === 'CONTAINER_UNKNOWN') return mayRestart(pod, container, KILLED) ? 'start' : 'failed';
  if (isAlive(status)) return 'wait';
  if (status.state === 'CONTAINER_CREATED') return 'start';
  if (status.exitCode === 0) return 'done';
  return mayRestart(pod, container, status.exitCode) ? 'start' : 'failed';
}

/** Once a regular container was made, init containers are history, whatever the runtime still knows of them. */
function hasInitialized(pod: Pod, now: RuntimePod): boolean {
  const regular = new Set(pod.spec.containers.map(({ name }) => name));
  const [sandbox] = now.sandboxes;
  if (!sandbox) return false;
  const since = sandbox.createdAt ?? 0;
  return (
    now.containers.some((status) => regular.has(containerNameOf(status)) && (status.createdAt ?? 0) >= since) ||
    initContainers(pod).every((container) => {
      const status = newestOf(now, container.name);
      return !isSidecar(container) && status !== undefined && hasSucceeded(status);
    })
  );
}

const hasSucceeded = ({ state, exitCode }: ContainerStatus): boolean => state === 'CONTAINER_EXITED' && exitCode === 0;

const shouldStart = (pod: Pod, container: Container, status: ContainerStatus | undefined): boolean =>
  !status || status.state === 'CONTAINER_CREATED' || mayRestart(pod, container, status.exitCode);

/** The runtime cannot say whether it runs: it must not run beside the next. */
const lost = (container: Container, status: ContainerStatus, what: string): ContainerToKill | undefined =>
  status.state === 'CONTAINER_UNKNOWN'
    ? { status, container, reason: 'Lost', message: `${what} is in "unknown" state, try killing it before restart` }
    : undefined;

function reasonToKill(container: Container, status: ContainerStatus, health: Health): ContainerToKill | undefined {
  const restart = (message: string, reason: ContainerToKill['reason']): ContainerToKill => ({
    status,
    container,
    reason,
    message: `Container ${container.name} ${message}, will be restarted`,
  });
  const hash = hashAnnotation(status);
  if (hash !== undefined && hash !== hashOf(container)) return restart('definition changed', 'Changed');
  const verdict = health.verdict(status);
  if (verdict === 'liveness failed') return restart('failed liveness probe', 'Unhealthy');
  if (verdict === 'startup failed') return restart('failed startup probe', 'Unhealthy');
  return undefined;
}
