import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { Pod, Volume } from '#api/generated/schema.ts';
import { podWith, volumesBed } from '../../../../test/node/volumes-bed.ts';
import { ImageFailed } from '../images.ts';
import { nestedMountPoints } from './nested-mount-points.ts';

const { folderOf, maps, shown, volumes } = volumesBed();

test('the volumes of a pod are set up beside one another, and all have ended when one has failed', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const waiting: (() => void)[] = [];
  const setUp = async (_: Pod, { name }: Volume) => {
    begun.push(name);
    await new Promise<void>((resolve) => waiting.push(resolve));
    ended.push(name);
    if (name === 'v1') throw new Error('refused');
    return `/${name}`;
  };
  const names = Array.from({ length: 10 }, (_, index) => `v${index}`);
  const pod = podWith(names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })));
  const done = volumes(setUp).setUp(pod, []);
  done.catch(() => undefined);
  await vi.waitFor(() => expect(begun).toEqual(names.slice(0, 8)));
  for (let next = waiting.shift(); ended.length < names.length; next = waiting.shift()) {
    next?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect(done).rejects.toThrow('MountVolume.SetUp failed for volume "v1" : refused');
  expect(new Set(ended)).toEqual(new Set(names));
});

describe('volumes in volumes', () => {
  const mounted = (...all: [name: string, mountPath: string][]) => ({
    containers: [{ name: 'main', volumeMounts: all.map(([name, mountPath]) => ({ name, mountPath })) }],
  });

  test.each<[[string, string][], string[]]>([
    [
      [
        ['v', '/dir'],
        ['w', '/dir/nested'],
      ],
      ['nested'],
    ],
    [
      [
        ['w', '/dir/nested/'],
        ['v', '/dir/'],
      ],
      ['nested'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/dir/nested'],
        ['x', '/dir/nested/deep'],
      ],
      ['nested'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/dir/a/b'],
        ['x', '/dir/a-b'],
      ],
      ['a-b', 'a/b'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/directory'],
      ],
      [],
    ],
    [
      [
        ['v', '/'],
        ['w', '/etc/x'],
      ],
      ['etc/x'],
    ],
    [
      [
        ['w', '/dir'],
        ['v', '/dir/nested'],
      ],
      [],
    ],
  ])('%j need %j', (mounts, folders) => {
    expect(nestedMountPoints('v', podWith([], mounted(...mounts) as never)).sort()).toEqual(folders);
  });

  test('have their folder before anything is mounted, and keep it when files come and go', async () => {
    maps.set('m', { a: '1' });
    const node = volumes();
    const pod = podWith(
      { name: 'v', configMap: { name: 'm' } } as Volume,
      mounted(['v', '/etc/app'], ['w', '/etc/app/run']) as never,
    );
    await node.setUp(pod, []);
    maps.set('m', { b: '2' });
    await node.setUp(pod, []);
    expect(shown('configmap')).toEqual(['b', 'run']);
    expect(lstatSync(join(folderOf('configmap'), 'run')).isDirectory()).toBe(true);
  });
});

test('a folder for a nested volume is made also where an earlier kubelet ended before it was', async () => {
  maps.set('m', { a: '1' });
  mkdirSync(folderOf('configmap'), { recursive: true });
  const volumeMounts = [
    { name: 'v', mountPath: '/etc/app' },
    { name: 'w', mountPath: '/etc/app/run' },
  ];
  const containers = [{ name: 'main', volumeMounts }];
  await volumes().setUp(podWith({ name: 'v', configMap: { name: 'm' } } as Volume, { containers } as never), []);
  expect(shown('configmap')).toEqual(['a', 'run']);
});

test('an image that cannot be had keeps no other volume, and is told of by its volume', async () => {
  const refused = new ImageFailed('ErrImagePull', 'refused');
  const node = volumes(async () => {
    throw refused;
  });
  maps.set('m', { a: '1' });
  const pod = podWith([{ name: 'picture', image: { reference: 'x' } }] as Volume[]);
  const { paths, imageFailures } = await node.setUp(pod, []);
  expect([[...paths.keys()], imageFailures.get('picture')]).toEqual([[], refused]);
});
