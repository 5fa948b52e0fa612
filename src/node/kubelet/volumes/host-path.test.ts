import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { HostPathVolumeSource, Volume } from '#api/generated/schema.ts';
import { FAILED, podWith, volumesBed } from '../../../../test/node/volumes-bed.ts';

const bed = volumesBed();
const { failure, volumes } = bed;

describe('hostPath', () => {
  const path = (name: string) => join(bed.root, 'host', name);
  beforeEach(() => {
    mkdirSync(path('folder'), { recursive: true });
    writeFileSync(path('file'), '');
  });
  const volume = (type: string, name: string): Volume => ({
    name: 'v',
    hostPath: { type, path: path(name) } as HostPathVolumeSource,
  });

  test.each([
    ['', 'folder'],
    ['', 'file'],
    ['Directory', 'folder'],
    ['DirectoryOrCreate', 'folder'],
    ['DirectoryOrCreate', 'new/deep'],
    ['File', 'file'],
    ['FileOrCreate', 'file'],
    ['FileOrCreate', 'new-file'],
  ])('of the type %j is had: %s', async (type, name) => {
    const { paths } = await volumes().setUp(podWith(volume(type, name)), []);
    expect(paths.get('v')).toBe(path(name));
    expect(statSync(path(name)).isDirectory()).toBe(!name.includes('file'));
  });

  test.each([
    ['Directory', 'file', 'a directory'],
    ['Directory', 'missing', 'a directory'],
    ['DirectoryOrCreate', 'file', 'a directory'],
    ['File', 'folder', 'a file'],
    ['File', 'missing', 'a file'],
    ['FileOrCreate', 'folder', 'a file'],
    ['Socket', 'file', 'a socket file'],
    ['CharDevice', 'file', 'a character device'],
    ['BlockDevice', 'missing', 'a block device'],
  ])('of the type %s is not %s', async (type, name, what) => {
    expect(await failure(podWith(volume(type, name)))).toEqual([
      `${FAILED}hostPath type check failed: ${path(name)} is not ${what}`,
    ]);
  });

  test('may be a socket or a device', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path('socket'), resolve));
    try {
      await volumes().setUp(podWith(volume('Socket', 'socket')), []);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    const device = { name: 'v', hostPath: { type: 'CharDevice', path: '/dev/null' } } as Volume;
    expect((await volumes().setUp(podWith(device), [])).paths.get('v')).toBe('/dev/null');
  });
});
