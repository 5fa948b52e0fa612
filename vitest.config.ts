import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** For kernels that have it. test/machines runs them in a guest. */
const OF_IPVS = existsSync('/proc/net/ip_vs') ? [] : ['test/integration/*-ipvs.test.ts'];

/** How long a condition is waited for: a second is too little on a machine that runs seven other things. */
const waitingFor = (timeout: number) => ({ expect: { poll: { timeout } } });

/**
 * Four projects: `unit` beside the code, `integration` for what crosses a layer, `e2e` on one cluster with real containers,
 * `machines` on machines that the test makes (a guest of qemu's, a bare Debian). The last two in one worker.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['test/property-seed.ts'],
          include: ['src/**/*.test.ts', 'tools/guards/**/*.test.ts', 'bench/**/*.test.ts'],
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...waitingFor(30_000),
        },
      },
      {
        test: {
          name: 'integration',
          setupFiles: ['test/property-seed.ts'],
          include: [
            'test/integration/**/*.test.ts',
            'test/wire/**/*.test.ts',
            'test/clients/*.test.ts',
            'test/scenarios/**/*.test.ts',
          ],
          exclude: OF_IPVS,
          isolate: false,
          testTimeout: 180_000,
          ...waitingFor(60_000),
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/global-setup.ts'],
          isolate: false,
          fileParallelism: false,
          testTimeout: 300_000,
          ...waitingFor(120_000),
          hookTimeout: 400_000,
        },
      },
      {
        test: {
          name: 'machines',
          include: ['test/machines/**/*.test.ts'],
          isolate: false,
          fileParallelism: false,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
