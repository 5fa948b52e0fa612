import { expect, test } from 'vitest';
import type { CliContext } from './context.ts';
import { commandFor, pathsOf, whyDown } from './cluster-selection.ts';

test.each([
  [{ name: 'dev' }, 'kedge up'],
  [{ name: 'other' }, 'kedge up --name other'],
  [{ name: 'other', dataDir: '/data' }, 'kedge up --name other --data-dir /data'],
])('what the user is told to type names the cluster where it is not the usual one: %j', (selection, expected) =>
  expect(commandFor('up', selection)).toBe(expected),
);

test.each([
  ['nothing of it runs', [], 'Cluster "dev" is down; its data are in /data. Start it with: kedge up'],
  [
    'its supervisor was killed',
    ['control-plane', 'node1/kubelet'],
    'Cluster "dev" has lost its supervisor; control-plane, node1/kubelet run on without it. ' +
      'Take them over with: kedge up, or end them with: kedge down',
  ],
  [
    'its supervisor does not answer yet',
    ['supervisor', 'control-plane'],
    'Cluster "dev" is only starting, or stopping; try again in a moment.',
  ],
])('a cluster that does not answer is told apart: %s', (_when, left, expected) =>
  expect(whyDown({ name: 'dev' }, { dataDir: '/data' }, left)).toBe(expected),
);

test('a file is no folder for data, and that is said at once', async () => {
  const selection = { name: 'dev', dataDir: import.meta.filename };
  await expect(pathsOf({} as CliContext, selection)).rejects.toThrow(
    `${import.meta.filename} is not a folder; give another --data-dir`,
  );
});
