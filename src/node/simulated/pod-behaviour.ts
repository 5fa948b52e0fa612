/** How a pod behaves on paper: what its pool says of it, and over that what its own annotations say. Pure. */
import type { Pod } from '#api/generated/schema.ts';
import type {
  SimulatedAnswer,
  SimulatedPodBehaviour,
  SimulatedPodRule,
} from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';

/** For how long the containers of a pod run, in seconds, before they end by themselves; and with which exit code. */
export const RUN_SECONDS = 'kedge.dev/simulated-run-seconds';
export const EXIT_CODE = 'kedge.dev/simulated-exit-code';
export const START_SECONDS = 'kedge.dev/simulated-start-seconds';
export const STOP_SECONDS = 'kedge.dev/simulated-stop-seconds';
/** A reason, such as ImagePullBackOff: its containers never start. */
export const WAITING = 'kedge.dev/simulated-waiting';
export const CPU = 'kedge.dev/simulated-cpu';
export const MEMORY = 'kedge.dev/simulated-memory';
export const LOGS = 'kedge.dev/simulated-logs';
/** JSON: as `exec` of a SimulatedNodePool. */
export const EXEC = 'kedge.dev/simulated-exec';

export function behaviourOf(pod: Pod, rules: readonly SimulatedPodRule[] = []): SimulatedPodBehaviour {
  const rule = rules.find(({ selector }) => !selector || matchesLabels(selectorFrom(selector), pod.metadata.labels));
  const { annotations } = pod.metadata;
  if (!annotations) return rule ?? NOTHING;
  return { ...rule, ...said(annotations) };
}

const NOTHING: SimulatedPodBehaviour = Object.freeze({});

function said(annotations: Readonly<Record<string, string>>): SimulatedPodBehaviour {
  const number = (key: string) => {
    const value = Number(annotations[key] || Number.NaN);
    return Number.isFinite(value) && value >= 0 ? value : undefined;
  };
  const behaviour: SimulatedPodBehaviour = {
    startSeconds: number(START_SECONDS),
    stopSeconds: number(STOP_SECONDS),
    runSeconds: number(RUN_SECONDS),
    exitCode: number(EXIT_CODE),
    logs: annotations[LOGS],
    exec: answersIn(annotations[EXEC]),
    ...(annotations[WAITING] && { waiting: { reason: annotations[WAITING] } }),
    ...((annotations[CPU] || annotations[MEMORY]) && {
      usage: { cpu: annotations[CPU], memory: annotations[MEMORY] },
    }),
  };
  return Object.fromEntries(Object.entries(behaviour).filter(([, value]) => value !== undefined));
}

/** undefined for what is no list of answers: a pod that says nonsense says nothing. */
function answersIn(text: string | undefined): SimulatedAnswer[] | undefined {
  if (!text) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.filter((one) => typeof one === 'object' && one !== null) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Which exit code its containers end with: the same whenever it is asked for this pod. */
export function exitCodeOf({ metadata }: Pod, { exitCode = 0, failure }: SimulatedPodBehaviour): number {
  if (!failure || share(metadata.uid) >= failure.share) return exitCode;
  return failure.exitCode ?? 1;
}

/** From 0 to 1, evenly over all UIDs: FNV-1a, with the last mixing of MurmurHash3. */
function share(uid: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < uid.length; at++) hash = Math.imul(hash ^ uid.charCodeAt(at), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** What a command answers; undefined: nothing is said of it. */
export const answerTo = (
  command: readonly string[],
  { exec = [] }: SimulatedPodBehaviour,
): SimulatedAnswer | undefined =>
  exec.find(({ command: begins = [] }) => begins.every((word, at) => word === command[at]));
