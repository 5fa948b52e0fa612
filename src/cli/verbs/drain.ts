/** `kedge drain`: lets no more pods onto nodes, and sends away those that are there, as their budgets allow. */
import type { Pod } from '#api/generated/schema.ts';
import { parseLabelSelector } from '#api/machinery/label-selector.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { sleep } from '#base/clock.ts';
import { nodesOf, setCordoned } from './cordon.ts';
import { podsOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import { SELECTOR_FLAGS, type Target } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { SeveralErrors, throwIfAny, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunNote, dryRunOf } from './writing.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const RETRY_MS = 5_000;
const LOOK_EVERY_MS = 1_000;

export const drainVerb: Verb = {
  name: 'drain',
  summary: 'empty a node, for work on it',
  usage: 'NODE',
  flags: [
    ...SELECTOR_FLAGS,
    DRY_RUN_FLAG,
    { name: 'force', type: 'bool', summary: 'pods too that nobody makes again' },
    { name: 'ignore-daemonsets', type: 'bool', summary: 'leave pods of DaemonSets where they are' },
    { name: 'delete-emptydir-data', type: 'bool', summary: 'pods too whose emptyDir volumes are lost' },
    { name: 'disable-eviction', type: 'bool', summary: 'delete them, whatever their budgets say' },
    { name: 'grace-period', type: 'int', default: '-1', summary: 'seconds each pod has to end; -1: its own' },
    { name: 'pod-selector', type: 'string', summary: 'only pods with these labels' },
    { name: 'timeout', type: 'duration', default: '0s', summary: 'how long to wait; 0 for ever' },
    { name: 'chunk-size', type: 'int', default: '500', summary: 'how many objects to ask for at once; 0 for all' },
    {
      name: 'skip-wait-for-delete-timeout',
      type: 'int',
      default: '0',
      summary: 'do not wait for pods that have been going for longer than so many seconds',
    },
  ],
  async run(call) {
    if (!parseLabelSelector(call.flags.string('pod-selector')).ok)
      throw new VerbError('--pod-selector=<pod_selector> must be a valid label selector');
    const { targets, errors } = await nodesOf(call);
    throwIfAny(errors);
    for (const target of targets) await setCordoned(call, target, true);
    const drained = new Set<Target>();
    for (const target of targets) {
      try {
        await drain(call, target.name);
        drained.add(target);
        call.io.out(`node/${target.name} drained${dryRunNote(dryRunOf(call.flags))}\n`);
      } catch (error) {
        if (!(error instanceof VerbError || error instanceof StatusError || error instanceof SeveralErrors))
          throw error;
        call.io.err(
          `error: unable to drain node ${JSON.stringify(target.name)} due to error: ${error.message}, continuing command...\n`,
        );
        errors.push(error);
      }
    }
    const pending = targets.filter((target) => !drained.has(target));
    if (pending.length > 0)
      call.io.err(`There are pending nodes to be drained:\n${pending.map(({ name }) => ` ${name}\n`).join('')}`);
    if (errors.length > 0) throw new VerbError(errors.map(String).map(withoutName).join('\n'), { isBare: true });
  },
};

const withoutName = (text: string): string => text.replace(/^\w*Error: /, '');

interface Judged {
  pod: Pod;
  verdict: 'go' | 'stay' | 'refused';
  note?: string;
}

async function drain(call: VerbCall, node: string): Promise<void> {
  const { flags, io } = call;
  const labelSelector = flags.string('pod-selector');
  const fieldSelector = `spec.nodeName=${node}`;
  const pods = await podsOf(call, { fieldSelector, ...(labelSelector && { labelSelector }) });
  const judged = await Promise.all(pods.map((pod) => judge(call, pod)));
  refuse(judged.filter(({ verdict }) => verdict === 'refused'));
  const warnings = listed(judged.filter(({ note }) => note));
  if (warnings) io.err(`Warning: ${warnings}\n`);
  const going = judged.filter(({ verdict }) => verdict === 'go').map(({ pod }) => pod);
  const ending = new AbortController();
  const timeoutMs = flags.milliseconds('timeout');
  const timer = timeoutMs > 0 ? io.clock.timer(timeoutMs, () => ending.abort()) : undefined;
  try {
    const results = await Promise.allSettled(going.map((pod) => sendAway(call, pod, ending.signal)));
    throwIfAny(results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])));
  } finally {
    timer?.cancel();
  }
}

/** Upstream's filters, in its order: the first that is against it has the word, else what the last one warns of. */
async function judge(call: VerbCall, pod: Pod): Promise<Judged> {
  const { flags } = call;
  const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  const seconds = flags.int('skip-wait-for-delete-timeout');
  const { deletionTimestamp, annotations = {}, ownerReferences = [] } = pod.metadata;
  const ageMs = deletionTimestamp ? call.io.clock.now() - Date.parse(deletionTimestamp) : 0;
  if (seconds > 0 && deletionTimestamp && ageMs > seconds * 1000) return { pod, verdict: 'stay' };
  if (annotations[MIRROR] !== undefined) return { pod, verdict: 'stay' };
  const owner = ownerReferences.find(({ controller }) => controller);
  if (owner?.kind === 'DaemonSet' && !isOver) {
    const exists = await daemonSetExists(call, pod, owner.name);
    if (!exists && !flags.bool('force'))
      return { pod, verdict: 'refused', note: `daemonsets.apps "${owner.name}" not found` };
    if (exists && !flags.bool('ignore-daemonsets'))
      return {
        pod,
        verdict: 'refused',
        note: 'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
      };
    if (exists) return { pod, verdict: 'stay', note: 'ignoring DaemonSet-managed Pods' };
  }
  if (!isOver && pod.spec.volumes?.some(({ emptyDir }) => emptyDir)) {
    if (!flags.bool('delete-emptydir-data'))
      return {
        pod,
        verdict: 'refused',
        note: 'cannot delete Pods with local storage (use --delete-emptydir-data to override)',
      };
  }
  if (!isOver && !owner) {
    if (!flags.bool('force'))
      return {
        pod,
        verdict: 'refused',
        note: 'cannot delete Pods that declare no controller (use --force to override)',
      };
    return { pod, verdict: 'go', note: 'deleting Pods that declare no controller' };
  }
  return { pod, verdict: 'go' };
}

async function daemonSetExists({ cluster }: VerbCall, { metadata }: Pod, name: string): Promise<boolean> {
  const resource = (await cluster.resources()).named('daemonsets.apps');
  try {
    await cluster.get(pathOf(resource, { namespace: metadata.namespace, name }));
    return true;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}

/** `REASON: a/b, a/c; OTHER: a/d`. */
function listed(judged: readonly Judged[]): string {
  const byNote = new Map<string, string[]>();
  for (const { pod, note = '' } of judged)
    byNote.set(note, [...(byNote.get(note) ?? []), `${pod.metadata.namespace}/${pod.metadata.name}`]);
  return [...byNote].map(([note, pods]) => `${note}: ${pods.join(', ')}`).join('; ');
}

function refuse(refused: readonly Judged[]): void {
  const notes = [...new Set(refused.map(({ note = '' }) => note))];
  throwIfAny(
    notes.length === 0
      ? []
      : [new VerbError(inBrackets(notes.map((each) => listed(refused.filter(({ note }) => note === each)))))],
  );
}

const inBrackets = (texts: readonly string[]): string =>
  texts.length > 1 ? `[${texts.join(', ')}]` : (texts[0] ?? '');

async function sendAway(call: VerbCall, pod: Pod, ending: AbortSignal): Promise<void> {
  const { flags, io, cluster } = call;
  const { namespace, name } = pod.metadata;
  const isDeleted = flags.bool('disable-eviction');
  const dryRun = dryRunOf(flags);
  const verb = isDeleted ? 'delete' : 'evict';
  const doing = isDeleted ? 'deleting' : 'evicting';
  if (dryRun === 'client') return io.out(`${doing} pod ${namespace}/${name} (dry run)\n`);
  const resource = (await cluster.resources()).named('pods');
  const seconds = flags.int('grace-period');
  const options = {
    ...(seconds >= 0 && { gracePeriodSeconds: seconds }),
    ...(dryRun === 'server' && { dryRun: ['All'] }),
  };
  const path = pathOf(resource, { namespace, name, ...(isDeleted ? {} : { subresource: 'eviction' }) });
  for (;;) {
    io.out(`${doing} pod ${namespace}/${name}${dryRunNote(dryRun)}\n`);
    try {
      const eviction = {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name, namespace },
        deleteOptions: options,
      };
      await cluster.request(
        isDeleted ? { method: 'DELETE', path, object: options } : { method: 'POST', path, object: eviction },
      );
      break;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      if (!hasReason(error, 'TooManyRequests')) throw error;
      io.err(
        `error when evicting pods/${JSON.stringify(name)} -n ${JSON.stringify(namespace)} (will retry after 5s): ${(error as Error).message}\n`,
      );
      await pause(call, RETRY_MS, ending);
    }
  }
  if (dryRun === 'server') return undefined;
  await untilGone(call, { pod, path: pathOf(resource, { namespace, name }), ending });
  return io.out(`pod/${name} ${verb}${isDeleted ? 'd' : 'ed'}\n`);
}

async function untilGone(
  call: VerbCall,
  { pod, path, ending }: { pod: Pod; path: string; ending: AbortSignal },
): Promise<void> {
  for (;;) {
    try {
      const now = await call.cluster.get<Pod>(path);
      if (now.metadata.uid !== pod.metadata.uid) return;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return;
      throw error;
    }
    await pause(call, LOOK_EVERY_MS, ending);
  }
}

async function pause({ io, flags }: VerbCall, ms: number, ending: AbortSignal): Promise<void> {
  await Promise.race([
    sleep(io.clock, ms, io.signal),
    new Promise<void>((resolve) => ending.addEventListener('abort', () => resolve(), { once: true })),
  ]);
  if (ending.aborted) throw new VerbError(`global timeout reached: ${flags.string('timeout')}`);
}
