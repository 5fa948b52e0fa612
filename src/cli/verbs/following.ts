/** Following one object until something is true of it, by a watch that is taken up again when the server ends it. */
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { sleep } from '#base/clock.ts';
import { Unreachable } from '#client/transport.ts';
import { pathOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';

export interface Following {
  /** 0 waits for ever. */
  timeoutMs: number;
  /** What it comes to; undefined to go on. `object` is undefined when there is none. */
  look(object: KubeObject | undefined): 'done' | undefined;
}

/** The time was over. */
export class TimedOut extends Error {
  readonly code = 'TimedOut';
}

const AGAIN_AFTER_MS = 200;

/** Throws TimedOut, what `look` throws, and what the server says other than that a watch is over. */
export async function follow(call: VerbCall, target: Target, { timeoutMs, look }: Following): Promise<void> {
  const { clock, signal } = call.io;
  const ending = new AbortController();
  const onAbort = () => ending.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = timeoutMs > 0 ? clock.timer(timeoutMs, () => ending.abort(new TimedOut())) : undefined;
  try {
    for (;;) {
      if (await watchOnce(call, target, { look, signal: ending.signal })) return;
      ending.signal.throwIfAborted();
      await sleep(clock, AGAIN_AFTER_MS, ending.signal);
    }
  } finally {
    timer?.cancel();
    signal.removeEventListener('abort', onAbort);
    ending.abort(new Error('done'));
  }
}

interface List {
  metadata: { resourceVersion: string };
  items: KubeObject[];
}

async function watchOnce(
  { cluster }: VerbCall,
  { resource, namespace, name }: Target,
  { look, signal }: Pick<Following, 'look'> & { signal: AbortSignal },
): Promise<boolean> {
  const fieldSelector = `metadata.name=${name}`;
  const path = (query: Record<string, string>) => pathOf(resource, { namespace, query: { fieldSelector, ...query } });
  try {
    const { metadata, items } = await cluster.get<List>(path({}));
    if (look(items[0])) return true;
    const { resourceVersion } = metadata;
    for await (const { type, object } of cluster.watch({ path: path({ resourceVersion, watch: 'true' }), signal }))
      if (type !== 'BOOKMARK' && look(type === 'DELETED' ? undefined : object)) return true;
  } catch (error) {
    const isOver = error instanceof Unreachable || (error instanceof StatusError && error.code === 410);
    if (!isOver || signal.aborted) throw signal.aborted ? signal.reason : error;
  }
  return false;
}

/** Also over when another object has taken its name. Not being allowed to look counts as gone. */
export async function whenGone(
  call: VerbCall,
  target: Target,
  { timeoutMs, uid }: { timeoutMs: number; uid?: string | undefined },
): Promise<void> {
  const look = (object: KubeObject | undefined) =>
    object === undefined || (uid !== undefined && object.metadata.uid !== uid) ? ('done' as const) : undefined;
  try {
    await follow(call, target, { timeoutMs, look });
  } catch (error) {
    if (!hasReason(error, 'Forbidden') && !hasReason(error, 'MethodNotAllowed') && !hasReason(error, 'NotFound'))
      throw error;
  }
}
