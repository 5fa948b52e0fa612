/** kube-proxy's mode ipvs on a kernel that has IPVS: the packets of the other modes' test, in a guest of qemu's. */
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { canRunInGuest, runInGuest } from './guest/run-in-guest.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const canRun = canRunInGuest();
const FILES = ['', '-ipvs', '-change'].map((of) => `test/integration/proxy-modes${of}.test.ts`);
const CASES = '^(ipvs, |a node that changes its mode)';
/** Three times what it took on a machine with two processors that were asked for by ten others. */
const LONGEST_MS = 1_500_000;

test.skipIf(!canRun)(
  'the mode ipvs does with packets what the others do',
  { timeout: LONGEST_MS + 60_000 },
  async () => {
    const vitest = 'node node_modules/vitest/vitest.mjs run --project integration --reporter=verbose --no-color';
    const { code, output, console } = await runInGuest({
      command: `modprobe ip_vs && KEDGE_TEST_IPVS=true ${vitest} ${FILES.join(' ')} -t '${CASES}'`,
      folder: PROJECT,
      memoryMb: 1536,
      withinMs: LONGEST_MS,
    });
    expect(code, `${output.slice(-8_000)}\n${console.slice(-2_000)}`).toBe(0);
    for (const mode of ['ipvs, ipv4', 'ipvs, ipv6'])
      expect(output).toMatch(new RegExp(`✓ .* ${mode} > traffic is shared out`));
    for (const more of ['ipvs, by its own ways', 'a node that changes its mode'])
      expect(output).toMatch(new RegExp(`✓ .* ${more}, ipv6 > `));
  },
);
