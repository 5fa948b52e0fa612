/** `kedge run -i`, `--attach` and `--rm`: stays with the pod that was made until it ends. Source: kubectl, run. */
import type { Pod } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { deleteOne } from './delete.ts';
import { messageOf } from './error-text.ts';
import { ATTACHED, joinContainer } from './exec.ts';
import type { FlagSpec } from './flags.ts';
import { follow, TimedOut } from './following.ts';
import type { ManifestObject } from './manifests.ts';
import { containerOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import { targetOf } from './targets-in-files.ts';
import type { VerbCall } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';
import { dryRunOf } from './writing.ts';

export const ATTACHED_RUN_FLAGS: readonly FlagSpec[] = [
  { name: 'attach', type: 'bool', summary: 'join the container once it runs; with -i this is so anyhow' },
  { name: 'rm', type: 'bool', summary: 'delete the pod when it has ended; only where it was attached to' },
  { name: 'leave-stdin-open', type: 'bool', summary: 'standard input stays open when the first session ends' },
  { name: 'quiet', short: 'q', type: 'bool', summary: 'only what the container writes' },
  { name: 'pod-running-timeout', type: 'duration', default: '1m0s', summary: 'how long to wait for the pod' },
];

/** Whether it is to be attached to. Throws VerbError for what does not go together. */
export function refuseUnattachable({ flags, path }: VerbCall): boolean {
  const isAttached = flags.has('attach') ? flags.bool('attach') : flags.bool('stdin');
  if (flags.bool('rm') && !isAttached) throw unexpected('--rm should only be used for attached containers', path);
  if (isAttached && dryRunOf(flags) !== 'none')
    throw unexpected(
      "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
      path,
    );
  return isAttached;
}

/** @returns 0. Throws VerbError with the exit code of a pod that failed and is not started again. */
export async function attachedRun(call: VerbCall, created: unknown): Promise<number> {
  const { flags, io } = call;
  const target = await targetOf(call, { object: created as ManifestObject, source: '' });
  const running = await podWhere(call, target, (pod) => isOver(pod) || isReady(pod));
  const container = containerOf(running, '', { io, isQuiet: flags.bool('quiet') });
  if (isOver(running)) await printLog(call, target, container);
  else await join(call, { pod: running, target, container });
  const policy = flags.string('restart');
  if (flags.bool('leave-stdin-open') || policy === 'Always') return 0;
  const ended = await podWhere(call, target, ({ status }) =>
    policy === 'OnFailure' ? status?.phase === 'Succeeded' : isOver({ status }),
  );
  if (ended.status?.phase === 'Succeeded') return 0;
  throw failureOf(ended);
}

async function join(
  call: VerbCall,
  { pod, target, container }: { pod: Pod; target: Target; container: string },
): Promise<void> {
  const { flags, io } = call;
  // What it wrote before anybody listened.
  await printLog(call, target, container).catch((error: unknown) =>
    io.err(`warning: couldn't fetch pre-attach logs: ${messageOf(error)}\n`),
  );
  if (!flags.bool('quiet')) io.err(ATTACHED);
  try {
    await joinContainer(call, { pod, container, subresource: 'attach', command: [] });
  } catch (error) {
    io.signal.throwIfAborted();
    io.err(`warning: couldn't attach to pod/${target.name}, falling back to streaming logs: ${messageOf(error)}\n`);
    await printLog(call, target, container);
  }
}

/** What was created, in the same order; what cannot be deleted stays. */
export async function deleteCreated(call: VerbCall, created: readonly ManifestObject[]): Promise<void> {
  const isQuiet = call.flags.bool('quiet');
  const manner = { dryRun: 'none', graceSeconds: -1, propagationPolicy: 'Background', isQuiet } as const;
  for (const object of created) {
    const target = await targetOf(call, { object, source: '' });
    await deleteOne(call, target, manner).catch((error: unknown) => {
      if (!isQuiet) call.io.err(`warning: ${messageOf(error)}\n`);
    });
  }
}

async function podWhere(call: VerbCall, target: Target, isIt: (pod: Pod) => boolean): Promise<Pod> {
  let found: Pod | undefined;
  const look = (object: KubeObject | undefined) => {
    if (!object) throw new VerbError('Error from server (NotFound): pods "" not found', { isBare: true });
    const pod = object as unknown as Pod;
    if (!isIt(pod)) return undefined;
    found = pod;
    return 'done' as const;
  };
  try {
    await follow(call, target, { timeoutMs: call.flags.milliseconds('pod-running-timeout'), look });
  } catch (error) {
    throw error instanceof TimedOut ? new VerbError('timed out waiting for the condition') : error;
  }
  return found!;
}

const isOver = ({ status }: Pick<Pod, 'status'>): boolean =>
  status?.phase === 'Succeeded' || status?.phase === 'Failed';

const isReady = ({ status }: Pod): boolean =>
  status?.phase === 'Running' &&
  (status.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True');

async function printLog({ cluster, io }: VerbCall, target: Target, container: string): Promise<void> {
  const path = pathOf(target.resource, { ...target, subresource: 'log', query: { container } });
  const { body } = await cluster.open({ method: 'GET', path, accept: '*/*', signal: io.signal });
  for await (const chunk of body) io.out(chunk);
}

function failureOf({ metadata, status }: Pod): VerbError {
  const named = `pod ${metadata.namespace}/${metadata.name}`;
  const { terminated } = status?.containerStatuses?.[0]?.state ?? {};
  if (!terminated?.exitCode) return new VerbError(`${named} failed with unknown exit code`);
  const { exitCode, reason = '', message = '' } = terminated;
  return new VerbError(`${named} terminated (${reason})\n${message}`, { exitCode, isBare: true });
}
