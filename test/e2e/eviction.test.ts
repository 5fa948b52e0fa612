/** Pods that keep more on their node's disk than they may are ended, and say why. */
import { describe, expect, test } from 'vitest';
import type { Event } from '#api/generated/schema.ts';
import { type PodSpec, playground, pod, shell } from './conformance/playground.ts';
import { holds } from './running-cluster.ts';

const MESSAGES: { name: string; spec: Partial<PodSpec>; message: string }[] = [
  {
    name: 'full-volume',
    spec: {
      volumes: [{ name: 'cache', emptyDir: { sizeLimit: '1Mi' } }],
      containers: [
        shell('dd if=/dev/zero of=/cache/file bs=1024 count=4096; sleep 86400', {
          volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
        }),
      ],
    },
    message: 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ',
  },
  {
    name: 'long-log',
    spec: {
      containers: [
        shell('yes "a line of the log" | head -c 4000000; sleep 86400', {
          resources: { limits: { 'ephemeral-storage': '1Mi' } },
        }),
      ],
    },
    message: 'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
  },
  {
    name: 'full-layer',
    spec: {
      containers: [
        shell('dd if=/dev/zero of=/tmp/file bs=1024 count=4096; sleep 86400', {
          resources: { limits: { 'ephemeral-storage': '1Mi' } },
        }),
        shell('sleep 86400', { name: 'other', resources: { limits: { 'ephemeral-storage': '64Mi' } } }),
      ],
    },
    message: 'Container main exceeded its local ephemeral storage limit "1Mi". ',
  },
];

describe('eviction', () => {
  const ground = playground('eviction', async (it) => {
    await it.create(
      ...MESSAGES.map(({ name, spec }) => pod(name, { spec: { restartPolicy: 'Always', ...spec } })),
      pod('modest', {
        spec: {
          volumes: [{ name: 'cache', emptyDir: { sizeLimit: '64Mi' } }],
          containers: [
            shell('dd if=/dev/zero of=/cache/file bs=1024 count=4096; sleep 86400', {
              volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
              resources: { limits: { 'ephemeral-storage': '64Mi' } },
            }),
          ],
        },
      }),
    );
    return undefined;
  });

  for (const { name, message } of MESSAGES)
    test(`${name}: ${message}`, async () => {
      const { status } = await ground().ended(name);
      expect(status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message });
      await holds('an Event tells of it', async () => {
        const events = await ground().api.get<{ items: Event[] }>(
          `${ground().path('Event')}?fieldSelector=${encodeURIComponent(`involvedObject.name=${name},reason=Evicted`)}`,
        );
        expect(events.items).toContainEqual(expect.objectContaining({ type: 'Warning', message }));
      });
    });

  test('who stays within its limits runs on', async () => {
    expect((await ground().ready('modest')).status?.phase).toBe('Running');
  });
});
