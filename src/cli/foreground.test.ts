import { expect, test } from 'vitest';
import type { CliContext } from './context.ts';
import { NotRunning } from './control-client.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { stayInForeground } from './foreground.ts';

const notes: string[] = [];
const context = { note: (line: string) => void notes.push(line) } as unknown as CliContext;

/** Looks on while the supervisor says that it is in these phases, and then ends. */
const lookOn = (phases: ClusterStatus['phase'][], error?: Error) =>
  stayInForeground({
    context,
    selection: { name: 'other' },
    signal: new AbortController().signal,
    control: {
      async *changes() {
        for (const phase of phases) yield { phase, processes: [] } as unknown as ClusterStatus;
        if (error) throw error;
      },
    },
  });

test('a cluster that somebody else takes down is no failure', async () => {
  await lookOn(['running', 'stopping']);
  expect(notes.at(-1)).toBe('The cluster was taken down.');
});

test.each([
  ['ends in silence', undefined],
  ['cannot be reached any more', new NotRunning('gone')],
])('a supervisor that %s is a failure, with what to do about it', async (_how, error) => {
  await expect(lookOn(['running'], error)).rejects.toThrow(
    /run on without it\. Go on with: kedge up --name other, or end them with: kedge down --name other/,
  );
});
