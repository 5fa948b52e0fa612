import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { ClusterApi } from './cluster-api.ts';
import { parseArguments } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { VerbError } from './verb-error.ts';

test('a kubeconfig that cannot be read is named, and nothing of its content is told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-kubeconfig-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'config');
  await writeFile(path, 'users: [{token: very-secret');
  const { flags } = parseArguments(GLOBAL_FLAGS, ['--kubeconfig', path]);
  const cluster = new ClusterApi({
    flags,
    env: {},
    clock: new ManualClock(),
    userAgent: 'test',
    warn: () => undefined,
  });

  const server = () => cluster.server;
  expect(server).toThrow(VerbError);
  expect(server).toThrow(`error loading config file "${path}": `);
  expect(server).not.toThrow('very-secret');
});
