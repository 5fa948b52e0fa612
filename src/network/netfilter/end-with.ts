/** Ends a child when a signal aborts. */
import type { ChildProcess } from 'node:child_process';

/**
 * One that could not be started is told of later, and has no number until then: Node.js would signal the group of this process
 * in its place. Who is told that the child has ended calls what this returns.
 */
export function endWith(signal: AbortSignal | undefined, child: ChildProcess): () => void {
  const end = () => {
    if (child.pid !== undefined) child.kill('SIGKILL');
  };
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end, { once: true });
  return () => signal?.removeEventListener('abort', end);
}
