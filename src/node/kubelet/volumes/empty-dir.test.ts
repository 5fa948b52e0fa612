import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { podWith, volumesBed } from '../../../../test/node/volumes-bed.ts';
import { mediumOf, memorySize } from './empty-dir.ts';

const { mounts, volumes } = volumesBed();

describe('emptyDir', () => {
  const limits = (memory: string) => ({ containers: [{ name: 'main', resources: { limits: { memory } } }] }) as never;

  test('in memory is no larger than what it says, its pod may use, and the node has', () => {
    const pod = podWith([], limits('64Mi'));
    expect(memorySize(podWith([]), '1Gi')).toBe(2 ** 30);
    expect(memorySize(podWith([]), '1Gi', '8Mi')).toBe(8 * 2 ** 20);
    expect(memorySize(podWith([]), '1Gi', '8Gi')).toBe(2 ** 30);
    expect(memorySize(pod, '1Gi')).toBe(64 * 2 ** 20);
    expect(memorySize(pod, '1Gi', '128Mi')).toBe(64 * 2 ** 20);
    expect(memorySize(pod, undefined)).toBe(64 * 2 ** 20);
    expect(memorySize(podWith([]), undefined)).toBeUndefined();
  });

  test('is mounted once, whatever it is made of', async () => {
    const pages = { requests: { 'hugepages-2Mi': '4Mi' }, limits: { 'hugepages-2Mi': '4Mi' } };
    const pod = podWith(
      [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'huge', emptyDir: { medium: 'HugePages-2Mi' } },
      ],
      { containers: [{ name: 'main', resources: pages }] } as never,
    );
    const node = volumes();
    const { paths } = await node.setUp(pod, []);
    await node.setUp(pod, []);
    expect(mounts).toHaveLength(2);
    expect(new Map(mounts.map(({ path, what }) => [path, what]))).toEqual(
      new Map([
        [paths.get('memory'), 'memory 1777 1048576'],
        [paths.get('huge'), 'hugetlbfs pagesize=2Mi'],
      ]),
    );
    expect(statSync(paths.get('disk') ?? '').mode & 0o777).toBe(0o777);
  });

  test.each([
    ['Disk', {}, 'unknown storage medium "Disk"'],
    ['HugePages', {}, 'medium HugePages: hugePages storage requested, but there is no resource request for huge pages'],
    [
      'HugePages-1Gi',
      { 'hugepages-2Mi': '2Mi' },
      'medium HugePages-1Gi: hugePages storage requested, but there is no resource request for huge pages',
    ],
    [
      'HugePages',
      { 'hugepages-2Mi': '2Mi', 'hugepages-1Gi': '1Gi' },
      "medium: HugePages can't be used if container requests multiple huge page sizes",
    ],
  ])('of %s for a pod that asks for %j cannot be had', (medium, requests, why) => {
    const pod = podWith([], { containers: [{ name: 'main', resources: { requests } }] } as never);
    expect(() => mediumOf(pod, { medium }, '1Gi')).toThrow(new Error(why));
  });
});
