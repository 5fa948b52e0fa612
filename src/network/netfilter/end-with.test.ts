import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { endWith } from './end-with.ts';

const urlOf = (path: string): string => new URL(path, import.meta.url).href;

/** Given up in the same turn in which no nft could be started, as there is none or too many files are open. */
const GIVING_UP = `
  import { openSync } from 'node:fs';
  import { silentLog } from ${JSON.stringify(urlOf('../../base/log.ts'))};
  import { ManualClock } from ${JSON.stringify(urlOf('../../base/manual-clock.ts'))};
  import { findDifferences } from ${JSON.stringify(urlOf('./nft.ts'))};
  import { RuleWatch } from ${JSON.stringify(urlOf('./rule-watch.ts'))};
  process.env.PATH = '/nowhere';
  if (process.argv[2] === 'without files') try { for (;;) openSync('/dev/null'); } catch {}
  const started = async (begin) => {
    const ending = new AbortController();
    const begun = begin(ending.signal);
    ending.abort();
    await begun;
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await started((signal) => {
    const clock = new ManualClock();
    new RuleWatch({ clock, log: silentLog, signal, command: ['no-such-nft'] }).onRemoval(['ip x y'], () => undefined);
  });
  process._rawDebug('nobody listens');
  await started((signal) => findDifferences('ip x', new Map(), signal));
  process._rawDebug('nothing was found');
  process.exit();
`;

test.each(['without nft', 'without files'])(
  'who gives up what was not started, %s, ends nobody',
  {
    timeout: 120_000,
  },
  async (how) => {
    // In a group of its own: it is that which would be killed.
    const folder = mkdtempSync(join(tmpdir(), 'kedge-giving-up-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'giving-up.mjs'), GIVING_UP);
    const argv = ['--wait', 'prlimit', '--nofile=100', process.execPath, '--import', import.meta.resolve('tsx')];
    const { stderr } = await promisify(execFile)('setsid', [...argv, join(folder, 'giving-up.mjs'), how]);
    expect(stderr.trim().split('\n')).toEqual(['nobody listens', 'nothing was found']);
  },
);

test.each([
  { when: 'when the signal aborts', before: false },
  { when: 'at once where it has aborted', before: true },
])('a child ends $when', async ({ before }) => {
  const ending = new AbortController();
  if (before) ending.abort();
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const closed = once(child, 'close');
  const forget = endWith(ending.signal, child);
  ending.abort();
  expect(await closed).toEqual([null, 'SIGKILL']);
  forget();
});
