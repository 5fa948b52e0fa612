import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { type BuildMount, buildMounts } from './build-mounts.ts';
import type { NodeLayout } from './node-layout.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'build-mounts-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const mounted = (mount: BuildMount, id = 'build-1') => {
  const layout = { keptDir: join(folder, 'kept'), runDir: join(folder, 'run') } as NodeLayout;
  return buildMounts([mount], { layout, clock: new ManualClock(), id });
};
const sourceOf = ({ argv }: { argv: readonly string[] }) => /src=([^,]*)/.exec(argv.join())?.[1] ?? '';
const modeOf = (path: string) => statSync(path).mode & 0o7777;

const cache = { type: 'cache', id: 'packages', target: '/c', isReadOnly: false, isAlone: false } as const;

test('a cache has its mode whoever sees it first, and keeps what is in it', async () => {
  const wanted = { ...cache, ...owner, mode: 0o1770 };
  const { length } = await mounted(wanted).then(({ argv }) => argv);
  expect(length).toBe(2);
  const path = sourceOf(await mounted(wanted));
  expect(modeOf(path)).toBe(0o1770);
  writeFileSync(join(path, 'kept'), '');
  expect(sourceOf(await mounted({ ...wanted, mode: 0o700 }))).toBe(path);
  expect([readdirSync(path), modeOf(path)]).toEqual([['kept'], 0o1770]);
});

test('one whose maker was killed is made anew', async () => {
  const wanted = { ...cache, ...owner, mode: 0o750 };
  const path = sourceOf(await mounted(wanted));
  rmSync(path, { recursive: true });
  mkdirSync(`${path}.draft`);
  writeFileSync(join(`${path}.draft`, 'half'), '');
  expect([sourceOf(await mounted(wanted)), readdirSync(path), modeOf(path)]).toEqual([path, [], 0o750]);
});

test('a secret is a copy that goes with its command', async () => {
  const source = join(folder, 'token');
  writeFileSync(source, 's3cret', { mode: 0o644 });
  const made = await mounted({ type: 'secret', target: '/t', source, ...owner, mode: 0o400 });
  const path = sourceOf(made);
  expect([path === source, modeOf(path)]).toEqual([false, 0o400]);
  await made.release();
  expect(readdirSync(join(folder, 'run/build'))).toEqual([]);
  await expect(
    mounted({ type: 'secret', target: '/t', source: join(folder, 'none'), ...owner, mode: 0o400 }),
  ).rejects.toThrow('cannot be read: ENOENT');
});

test('secrets of builds that were killed are removed by the next one, those of others that go on are not', async () => {
  const source = join(folder, 'token');
  writeFileSync(source, 's3cret');
  const secret = { type: 'secret', target: '/t', source, ...owner, mode: 0o400 } as const;
  const going = await mounted(secret);
  for (const name of ['secret-999999999-1-build-2-0', 'base-of-a-pull']) {
    mkdirSync(join(folder, 'run/build', name));
    writeFileSync(join(folder, 'run/build', name, 'secret'), 's3cret');
  }
  const next = await mounted(secret, 'build-3');
  expect(readdirSync(join(folder, 'run/build')).sort()).toEqual(
    ['base-of-a-pull', ...[going, next].map((each) => basename(dirname(sourceOf(each))))].sort(),
  );
});
