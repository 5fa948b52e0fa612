import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Container, ContainerStatus } from '#node/runtime/container.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { LogRotation } from './log-rotation.ts';
import { POD_UID } from './runtime-labels.ts';

test('a container whose log cannot be begun anew writes on, and those of the others are kept short', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-rotation-'));
  const told: unknown[] = [];
  const containers = ['gone', 'stuck', 'web'].map(
    (id) => ({ id, state: 'CONTAINER_RUNNING', labels: { [POD_UID]: 'u' } }) as unknown as Container,
  );
  const runtime: Pick<ContainerRuntime, 'containerStatus' | 'reopenContainerLog'> = {
    async containerStatus(id) {
      if (id === 'gone') throw new RuntimeError('Unknown', 'its shim is gone');
      return { id, logPath: join(folder, id) } as ContainerStatus;
    },
    async reopenContainerLog(id) {
      if (id === 'stuck') throw new RuntimeError('Unknown', 'container is not running');
      writeFileSync(join(folder, id), '');
    },
  };
  const rotation = new LogRotation({
    runtime,
    containers: () => containers,
    clock: new ManualClock(),
    log: { ...silentLog, warn: (_, fields) => told.push(fields) },
    signal: new AbortController().signal,
    maxBytes: 3,
  });
  try {
    for (const id of ['stuck', 'web']) writeFileSync(join(folder, id), 'long enough');
    await rotation.rotateAll();
    expect(readdirSync(folder).sort()).toEqual(['stuck', 'web', expect.stringMatching(/^web\.\d{8}-\d{6}$/)]);
    expect(told).toMatchObject([{ container: 'gone' }, { container: 'stuck' }]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
