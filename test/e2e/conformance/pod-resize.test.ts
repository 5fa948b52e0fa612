/** Pods that get other resources while they run: what the API says, what the kernel was told, and that nothing restarts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { layoutOfNode } from '../chaos/leaks.ts';
import { eventually, holds } from '../running-cluster.ts';
import { type Container, isReady, type Playground, playground, pod, shell } from './playground.ts';

interface Amounts {
  cpu?: string;
  memory?: string;
}
interface Sized {
  requests?: Amounts;
  limits?: Amounts;
}

/** Of pods as wholes. */
const WHOLE = {
  before: { requests: { cpu: '20m', memory: '32Mi' }, limits: { cpu: '100m', memory: '48Mi' } },
  after: { requests: { cpu: '40m', memory: '48Mi' }, limits: { cpu: '200m', memory: '96Mi' } },
};
const CPU = { original: '20m', limit: '30m', less: '15m', more: '25m', moreLimit: '35m' };
const MEMORY = { original: '35Mi', less: '30Mi', more: '40Mi', moreLimit: '50Mi' };
const guaranteed = (cpu: string, memory: string, index = 0): Sized => {
  const amounts = {
    cpu: `${quantityMilliValue(cpu) + 2 * index}m`,
    memory: `${Number.parseInt(memory, 10) + 2 * index}Mi`,
  };
  return { requests: amounts, limits: amounts };
};
const original = [0, 1, 2].map((index) => guaranteed(CPU.original, MEMORY.original, index));

/** Each is resized, then back again: every step is made in both directions. */
const CASES: { name: string; slug: string; before: Sized[]; after: Sized[]; canGoBack: boolean }[] = [
  {
    name: 'Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase cpu & mem on c1, c2, decrease cpu & mem on c3 - net increase',
    slug: 'net-increase',
    before: original,
    after: [
      guaranteed(CPU.more, MEMORY.more, 0),
      guaranteed(CPU.more, MEMORY.more, 1),
      guaranteed(CPU.less, MEMORY.less, 2),
    ],
    canGoBack: true,
  },
  {
    name: 'Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase cpu & mem on c1, decrease cpu & mem on c2, c3 - net decrease',
    slug: 'net-decrease',
    before: original,
    after: [
      guaranteed(CPU.more, MEMORY.more, 0),
      guaranteed(CPU.less, MEMORY.less, 1),
      guaranteed(CPU.less, MEMORY.less, 2),
    ],
    canGoBack: true,
  },
  {
    name: 'Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase: CPU (c1,c3), memory (c2, c3) ; decrease: CPU (c2)',
    slug: 'mixed',
    before: original,
    after: [
      guaranteed(CPU.more, MEMORY.original, 0),
      guaranteed(CPU.less, MEMORY.more, 1),
      guaranteed(CPU.more, MEMORY.more, 2),
    ],
    canGoBack: true,
  },
  {
    name: 'Pod InPlace Resize Container burstable pods - extended 6 containers - various operations performed (including adding limits and requests)',
    slug: 'burstable',
    before: [
      { requests: { cpu: CPU.original } },
      { requests: { memory: MEMORY.original } },
      { requests: { cpu: CPU.original, memory: MEMORY.original } },
      { requests: { cpu: CPU.original } },
      { requests: { memory: MEMORY.original } },
    ],
    after: [
      { requests: { cpu: CPU.more }, limits: { cpu: CPU.moreLimit } },
      { requests: { memory: MEMORY.less }, limits: { memory: MEMORY.moreLimit } },
      { requests: { cpu: CPU.original, memory: MEMORY.less } },
      { requests: { cpu: CPU.less, memory: MEMORY.original } },
      { requests: { cpu: CPU.original, memory: MEMORY.more } },
    ],
    canGoBack: false,
  },
  {
    name: 'Pod InPlace Resize Container burstable pods - extended resize with equivalents',
    slug: 'equivalents',
    before: [{ requests: { cpu: '2m' }, limits: { cpu: '10m' } }],
    after: [{ requests: { cpu: '1m' }, limits: { cpu: '5m' } }],
    canGoBack: true,
  },
];
const REPLACED = {
  before: [{ requests: { cpu: CPU.original, memory: MEMORY.original } }],
  after: [{ requests: { cpu: CPU.more, memory: MEMORY.more } }],
};

const nameOf = (index: number) => `c${index + 1}`;
const containersOf = (sizes: Sized[]): Container[] =>
  sizes.map((resources, index) => shell('sleep 86400', { name: nameOf(index), resources: resources as object }));
const resizable = (slug: string, sizes: Sized[]) =>
  pod(slug, {
    spec: { restartPolicy: 'OnFailure', terminationGracePeriodSeconds: 0, containers: containersOf(sizes) },
  });
const has = ({ status }: Pod, type: string) =>
  status?.conditions?.some((condition) => condition.type === type) ?? false;

describe('pod resize', () => {
  const ground = playground('resize', async (it) => {
    await it.create(
      ...CASES.map(({ slug, before }) => resizable(slug, before)),
      resizable('replaced', REPLACED.before),
      pod('whole', {
        spec: {
          ...({ resources: WHOLE.before } as object),
          containers: [shell('trap "exit 0" TERM; sleep 86400 & wait')],
        },
      }),
      {
        ...resizable('restarted', [guaranteed(CPU.original, MEMORY.original)]),
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: containersOf([guaranteed(CPU.original, MEMORY.original)]).map((container) => ({
            ...container,
            resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
          })),
        },
      },
    );
    return undefined;
  });
  const pathOf = (name: string) => ground().path('Pod', 'v1', name);
  const patch = (name: string, sizes: Sized[]) => {
    const containers = sizes.map((resources, index) => ({ name: nameOf(index), resources }));
    return ground().api.patch<Pod>(`${pathOf(name)}/resize`, { spec: { containers } }, 'strategic');
  };

  for (const { name, slug, before, after, canGoBack } of CASES)
    test(name, async () => {
      await ground().ready(slug);
      await expectSizes(ground(), slug, before);
      await patch(slug, after);
      await expectSizes(ground(), slug, after);
      if (!canGoBack) return;
      await patch(slug, before);
      await expectSizes(ground(), slug, before);
    });

  test('Pod InPlace Resize Container resize pod via the replace endpoint', async () => {
    const found = await ground().ready('replaced');
    expect(found.metadata.generation).toBe(1);
    // Its kubelet may write beside us.
    await eventually('it is replaced', async () => {
      const now = await ground().pod('replaced');
      const containers = now.spec.containers.map((container) => ({ ...container, resources: REPLACED.after[0] }));
      return ground().api.put(`${pathOf('replaced')}/resize`, { ...now, spec: { ...now.spec, containers } });
    });
    expect((await ground().pod('replaced')).metadata.generation).toBe(2);
    await expectSizes(ground(), 'replaced', REPLACED.after);
    await holds('the subresource is the pod', async () =>
      expect(await ground().api.get(`${pathOf('replaced')}/resize`)).toEqual(await ground().pod('replaced')),
    );
  });

  test('a whole pod gets other limits, its containers go on; what it asks for is not taken away', async () => {
    const isSized = (size: Sized) => (it: Pod) =>
      isReady(it) && !has(it, 'PodResizeInProgress') && isSize(it.status?.resources as Sized, size);
    const before = await ground().podWhen('whole', 'has its size', isSized(WHOLE.before));
    expect(await groupOf(ground(), before)).toEqual([String(48 * 2 ** 20), '10000']);
    const path = `${pathOf('whole')}/resize`;
    await ground().api.patch<Pod>(path, { spec: { resources: WHOLE.after } }, 'strategic');
    const after = await ground().podWhen('whole', 'has its other size', isSized(WHOLE.after));
    expect(await groupOf(ground(), after)).toEqual([String(96 * 2 ** 20), '20000']);
    expect(after.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 0,
      containerID: before.status?.containerStatuses?.[0]?.containerID,
    });
    const refusal = await ground().api.try(
      'PATCH',
      path,
      { spec: { resources: { limits: { memory: null } } } },
      'application/strategic-merge-patch+json',
    );
    expect(refusal.code).toBe(422);
    expect(refusal.text).toContain('resource limits cannot be removed');
  });

  test('a container whose policy asks for it restarts with its new memory', async () => {
    await ground().ready('restarted');
    await patch('restarted', [guaranteed(CPU.original, MEMORY.more)]);
    await expectSizes(ground(), 'restarted', [guaranteed(CPU.original, MEMORY.more)], 1);
  });
});

/** Of a pod's own group, as this machine sees it. */
async function groupOf(ground: Playground, { metadata: { uid }, spec: { nodeName = '' } }: Pod): Promise<string[]> {
  const { cgroupRoot } = await layoutOfNode(ground.cluster.name, nodeName);
  const pod = `${cgroupRoot}/burstable/pod${uid}`;
  const files = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? [`${pod}/memory.max`, `${pod}/cpu.max`]
    : [`memory${pod}/memory.limit_in_bytes`, `cpu${pod}/cpu.cfs_quota_us`];
  return files.map((file) => readFileSync(join('/sys/fs/cgroup', file), 'utf8').trim().split(' ')[0] ?? '');
}

/** In the status, in the kernel, and without a trace of the way. */
async function expectSizes(ground: Playground, name: string, sizes: Sized[], restarts = 0): Promise<void> {
  const isThere = (it: Pod) =>
    !has(it, 'PodResizePending') &&
    !has(it, 'PodResizeInProgress') &&
    isReady(it) &&
    sizes.every((size, index) => isSize(it.status?.containerStatuses?.[index]?.resources as Sized, size));
  const resized = await ground.podWhen(name, `is of the size ${JSON.stringify(sizes)}`, isThere);
  expect(resized.status?.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual(sizes.map(() => restarts));
  for (const [index, size] of sizes.entries())
    expect(await kernelSays(ground, name, nameOf(index))).toEqual(kernelOf(size));
}

function isSize(is: Sized | undefined, size: Sized): boolean {
  return (['requests', 'limits'] as const).every((part) => {
    const [a, b] = [is?.[part] ?? {}, size[part] ?? {}];
    return (
      Object.keys(a).length === Object.keys(b).length &&
      quantityMilliValue(a.cpu) === quantityMilliValue(b.cpu) &&
      quantityValue(a.memory) === quantityValue(b.memory)
    );
  });
}

interface Kernel {
  shares: number;
  quota: number;
  memory: number | undefined;
}

/** KEP-2254's weights for version 2. */
const weightOf = (shares: number) => 1 + Math.floor(((shares - 2) * 9999) / 262_142);

async function kernelSays(ground: Playground, name: string, container: string): Promise<Kernel> {
  const files =
    'if [ -e /sys/fs/cgroup/cpu.max ]; then echo v2; cat /sys/fs/cgroup/cpu.weight /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max; ' +
    'else cd /sys/fs/cgroup; echo v1; cat cpu/cpu.shares cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes; fi';
  const [version, share = '', quota = '', memory = ''] = (await ground.exec(name, files, container)).split('\n');
  const isSecond = version === 'v2';
  const limit = Number.parseInt(memory, 10);
  return {
    shares: isSecond ? -Number(share) : Number(share),
    quota: quota.startsWith('max') ? -1 : Number.parseInt(quota, 10),
    memory: Number.isNaN(limit) || limit > 2 ** 50 ? undefined : limit,
  };
}

function kernelOf({ requests, limits }: Sized): Kernel | object {
  const cpu = quantityMilliValue(requests?.cpu ?? limits?.cpu);
  const shares = cpu === 0 ? 2 : Math.max(2, Math.floor((cpu * 1024) / 1000));
  const quota = limits?.cpu ? Math.max(1000, quantityMilliValue(limits.cpu) * 100) : -1;
  return {
    shares: expect.toSatisfy((value: number) => value === shares || value === -weightOf(shares)),
    quota,
    memory: limits?.memory ? quantityValue(limits.memory) : undefined,
  };
}
