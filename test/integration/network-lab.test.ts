import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { canHaveLab, networkLab } from './network-lab.ts';

const canRun = canHaveLab();

test.skipIf(!canRun)('a process that ends without a word fails the test that wants it', async () => {
  const lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
  try {
    await expect(lab.keep('node', 'process.exit(3)')).rejects.toThrow('in node it ended with 3');
  } finally {
    lab.close();
  }
});

test.skipIf(!canRun)('a lab that cannot be made leaves nothing', () => {
  const hosts = { unmade: 'no address' };
  expect(() => networkLab({ hosts, gateway: '10.244.1.1' })).toThrow();
  expect(execFileSync('ip', ['netns', 'list']).toString()).not.toContain('-unmade');
});
