import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findDifferences, hasRules, listsRules, runNft } from './nft.ts';
import { TableContents } from './table-contents.ts';

/** An nft that this script stands for. */
async function withNft(script: string, use: () => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-nft-'));
  const path = process.env['PATH'];
  writeFileSync(join(folder, 'nft'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'nft'), 0o755);
  process.env['PATH'] = `${folder}:${path}`;
  try {
    await use();
  } finally {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true });
  }
}

test('a transaction that does not end is ended, and nobody claims to know what it did', () =>
  withNft('exec sleep 600', () =>
    expect(runNft(['add table ip x'], { longestMs: 50 })).rejects.toMatchObject({
      code: 'NftKilled',
      message: expect.stringContaining('whether the rules took effect is not known'),
    }),
  ));

test('a refused transaction says why', () =>
  withNft('echo "no such table" >&2; exit 1', () =>
    expect(runNft(['add chain ip x y'])).rejects.toMatchObject({ code: 'NftRefused', message: 'no such table' }),
  ));

const listing = (...lines: string[]) =>
  ['table ip x {', '\tchain forward {', ...lines.map((line) => `\t\t${line}`), '\t}', '}', ''].join('\n');
const HEAD = 'type filter hook forward priority filter - 15; policy accept;';

test.each([
  ['with rules', listing(HEAD, 'ct state related accept', 'goto ingress-check'), true],
  ['without a hook', listing('accept'), true],
  ['that was flushed', listing(HEAD), false],
  ['that was flushed and has a comment', listing('comment "of ours"', HEAD), false],
])('a chain %s has rules: %s', (_, text, has) => expect(listsRules(text)).toBe(has));

test.each([
  ['is not there', 'echo "Error: No such file or directory" >&2; exit 1', false],
  ['cannot be asked for', 'echo "Operation not permitted" >&2; exit 1', true],
  ['has no rule', `printf '%s\\n' 'table ip x {' 'chain forward {' '${HEAD}' '}' '}'`, false],
  ['has a rule', `printf '%s\\n' 'table ip x {' 'chain forward {' '${HEAD}' 'accept' '}' '}'`, true],
])('a chain that %s counts accordingly', (_, script, has) =>
  withNft(script, async () => expect(await hasRules('ip x', 'forward')).toBe(has)),
);

const wanted = () =>
  new TableContents(['add set ip x s { type ipv4_addr; }', 'add element ip x s { 10.0.0.1, 10.0.0.2 }']);
const listed = (...elements: string[]) =>
  `printf '%s\\n' 'table ip x {' 'set s {' 'elements = { ${elements.join(', ')} }' '}' '}'`;

test.each([
  ['holds all', listed('10.0.0.1', '10.0.0.2'), []],
  ['lacks something', listed('10.0.0.1'), [{ part: 'set s', isEmpty: false }]],
  ['holds more', listed('10.0.0.1', '10.0.0.2', '10.0.0.3'), [{ part: 'set s', isEmpty: false }]],
  ['holds nothing', 'echo', [{ part: 'set s', isEmpty: true }]],
  ['cannot be asked for', 'echo "Operation not permitted" >&2; exit 1', []],
])('a table that %s counts accordingly', (_, script, differences) =>
  withNft(script, async () => expect(await findDifferences('ip x', wanted())).toEqual(differences)),
);

test('where there is no nft nobody claims that something is missing', () =>
  withNft('', async () => {
    process.env['PATH'] = '';
    expect(await findDifferences('ip x', wanted())).toEqual([]);
  }));

test('a look that nobody waits for any more is ended', () =>
  withNft('exec sleep 600', async () => {
    const overtaking = new AbortController();
    const look = findDifferences('ip x', wanted(), overtaking.signal);
    overtaking.abort();
    expect(await look).toEqual([]);
  }));
