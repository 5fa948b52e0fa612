import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { authoritiesIn, refuseOtherAuthorities, takeOverAuthorities } from './shared-authorities.ts';

let folder: string;
let first: string;
let second: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-authorities-'));
  [first, second] = [join(folder, 'first'), join(folder, 'second')];
  ensurePki({ directory: first, clock: systemClock });
});
afterEach(() => rmSync(folder, { recursive: true }));

const same = (name: string) => readFileSync(join(first, name), 'utf8') === readFileSync(join(second, name), 'utf8');

test('a new cluster takes over what another has, for its owner alone, and is told nothing new by taking it again', async () => {
  const authorities = await authoritiesIn(first);
  await refuseOtherAuthorities(second, authorities);
  await takeOverAuthorities(second, authorities);
  const names = readdirSync(second);
  expect(names.sort()).toEqual(['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key']);
  expect(names.every(same)).toBe(true);
  expect(statSync(second).mode & 0o777).toBe(0o700);
  for (const name of names) expect(statSync(join(second, name)).mode & 0o777).toBe(0o600);
  const [mine, theirs] = [first, second].map((directory) => ensurePki({ directory, clock: systemClock }));
  expect(theirs?.caCertificate).toBe(mine?.caCertificate);
  expect(theirs?.serviceAccountKey).toEqual(mine?.serviceAccountKey);
  await refuseOtherAuthorities(second, authorities);
  await takeOverAuthorities(second, authorities);
});

test('a cluster with authorities of its own keeps them', async () => {
  ensurePki({ directory: second, clock: systemClock });
  const authorities = await authoritiesIn(first);
  await expect(refuseOtherAuthorities(second, authorities)).rejects.toThrow(
    `${join(second, 'ca.crt')} is another one already. Only a new cluster takes over authorities and keys.`,
  );
});

test.each<[string, () => void, RegExp]>([
  [
    'that misses a file',
    () => rmSync(join(first, 'sa.key')),
    /There is no file .*sa\.key\. The folder must have ca\.crt/,
  ],
  [
    'whose key is another one',
    () => writeFileSync(join(first, 'ca.key'), readFileSync(join(first, 'sa.key'))),
    /first\/ca\.crt and \.key do not belong together/,
  ],
  ['with something else', () => writeFileSync(join(first, 'ca.crt'), 'no PEM'), /or are no certificate and key/],
  [
    'with a folder in place of a file',
    () => {
      rmSync(join(first, 'sa.key'));
      mkdirSync(join(first, 'sa.key'));
    },
    /There is no file/,
  ],
  ['with far too much', () => writeFileSync(join(first, 'ca.crt'), 'x'.repeat(65_537)), /is too large/],
])('a folder %s is refused', async (_, change, message) => {
  change();
  await expect(authoritiesIn(first)).rejects.toThrow(message);
});
