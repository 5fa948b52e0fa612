import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

test('a disk that is full takes no line, and ends no process', () => {
  const full = openSync('/dev/full', 'w');
  const log = pathToFileURL(new URL('./process-log.ts', import.meta.url).pathname).href;
  const program = `const { processLog } = await import('${log}'); const log = processLog('x');
    for (let i = 0; i < 3; i++) log.info('a line'); console.log('lives');`;
  try {
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout, status } = spawnSync(process.execPath, argv, { stdio: ['ignore', 'pipe', full], encoding: 'utf8' });
    expect({ stdout, status }).toEqual({ stdout: 'lives\n', status: 0 });
  } finally {
    closeSync(full);
  }
});
