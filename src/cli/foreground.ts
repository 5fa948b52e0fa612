/** `up` without --detach: looks on until it is told to stop, and then takes the cluster down. */
import pc from 'picocolors';
import { commandFor, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { type ControlClient, NotRunning } from './control-client.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { takeClusterDown } from './take-down.ts';

export interface ForegroundOptions {
  context: CliContext;
  selection: Selection;
  control: Pick<ControlClient, 'changes'>;
  /** Aborts when the user wants to stop. */
  signal: AbortSignal;
}

export async function stayInForeground({ context, selection, control, signal }: ForegroundOptions): Promise<void> {
  context.note(pc.dim('\nThe cluster runs until Ctrl-C.'));
  const told = new Promise<'told'>((resolve) => {
    if (signal.aborted) resolve('told');
    signal.addEventListener('abort', () => resolve('told'), { once: true });
  });
  const outcome = await Promise.race([told, watched(context, control)]);
  if (outcome === 'taken down') {
    context.note('The cluster was taken down.');
    return;
  }
  if (outcome === 'left alone') {
    const [up, down] = [commandFor('up', selection), commandFor('down', selection)];
    throw new UserError(
      `The supervisor ended; nodes and control plane run on without it. Go on with: ${up}, or end them with: ${down}`,
    );
  }
  context.note('\nStopping …');
  await takeClusterDown(context, selection);
  context.note('Stopped. Objects, images and volumes are kept; `up` goes on from here, `down --purge` removes them.');
}

/** Tells what goes wrong, until the cluster is taken down by somebody else, or its supervisor dies. */
async function watched(
  context: CliContext,
  control: Pick<ControlClient, 'changes'>,
): Promise<'taken down' | 'left alone'> {
  let before: ClusterStatus | undefined;
  try {
    for await (const status of control.changes()) {
      for (const line of newsBetween(before, status)) context.note(line);
      before = status;
    }
  } catch (error) {
    if (!(error instanceof NotRunning) && (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
  return before?.phase === 'stopping' ? 'taken down' : 'left alone';
}

export function newsBetween(before: ClusterStatus | undefined, now: ClusterStatus): string[] {
  if (!before) return [];
  return now.processes.flatMap((process) => {
    const former = before.processes.find(({ name }) => name === process.name);
    return former && process.restarts > former.restarts
      ? [pc.yellow(`! ${process.name} ended and is started again`)]
      : [];
  });
}
