import { chmodSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Mounter } from './mounter.ts';
import { mountSubPath, SubPathRefused } from './sub-path.ts';

let base: string;
let volume: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'kedge-subpath-'));
  volume = join(base, 'volume');
  for (const folder of ['volume/inner/deep', 'outside']) mkdirSync(join(base, folder), { recursive: true });
  writeFileSync(join(volume, 'inner/file'), 'x');
  writeFileSync(join(base, 'outside/secret'), 'x');
});
afterEach(() => rmSync(base, { recursive: true }));

/** What would be mounted, as the kernel calls it. */
async function mounted(subPath: string): Promise<string> {
  let found = '';
  const bind = async (source: string) => {
    found = readlinkSync(source);
  };
  const mounter = { bind } as Partial<Mounter> as Mounter;
  await mountSubPath({ volume, subPath, target: join(base, 'target') }, mounter);
  return found;
}

for (const { what, subPath, link, leadsTo } of [
  { what: 'a folder', subPath: 'inner/deep', leadsTo: 'inner/deep' },
  { what: 'a file', subPath: 'inner/file', leadsTo: 'inner/file' },
  { what: 'a folder that is missing', subPath: 'new/one', leadsTo: 'new/one' },
  { what: 'a link within the volume', subPath: 'link', link: 'inner', leadsTo: 'inner' },
  { what: 'a link from a folder to its neighbour', subPath: 'inner/deep/link', link: '../file', leadsTo: 'inner/file' },
  { what: 'doubled slashes and dots', subPath: './inner//deep/.', leadsTo: 'inner/deep' },
])
  test(`${what} is mounted`, async () => {
    if (link) symlinkSync(link, join(volume, subPath));
    expect(await mounted(subPath)).toBe(join(volume, leadsTo));
  });

for (const { what, subPath, link } of [
  { what: 'an absolute link', subPath: 'link', link: '/etc' },
  { what: 'a link upwards', subPath: 'link/secret', link: '../outside' },
  { what: 'a link upwards from a folder', subPath: 'inner/link', link: '../../outside' },
  { what: 'a link to a namesake beside the volume', subPath: 'link', link: '../volume-2' },
  { what: 'a link that leads nowhere', subPath: 'link', link: 'nowhere' },
  { what: 'a link to itself', subPath: 'link', link: 'link' },
  { what: 'dots', subPath: 'inner/../../outside' },
  { what: 'an absolute path', subPath: '/etc' },
])
  test(`${what} is refused`, async () => {
    mkdirSync(join(base, 'volume-2'));
    if (link)
      symlinkSync(
        link,
        join(
          volume,
          subPath
            .split('/')
            .slice(0, subPath.startsWith('inner') ? 2 : 1)
            .join('/'),
        ),
      );
    await expect(mounted(subPath)).rejects.toThrow(SubPathRefused);
  });

test('a volume that is the whole machine has parts, too', async () => {
  volume = '/';
  expect(await mounted(join(base, 'outside').slice(1))).toBe(join(base, 'outside'));
});

test('what is made is as open as the volume', async () => {
  chmodSync(volume, 0o2777);
  await mounted('a/b');
  expect(statSync(join(volume, 'a/b')).mode & 0o7777).toBe(0o2777);
});
