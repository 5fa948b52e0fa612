/** What nodes and pods use, as stock `kubectl top` shows it and as a HorizontalPodAutoscaler acts on it. */
import { describe, expect, test } from 'vitest';
import type { Event } from '#api/generated/schema.ts';
import { container, object, playground, pod, shell } from './conformance/playground.ts';
import { eventually } from './running-cluster.ts';

const BUSY = 'while true; do :; done';
/** Asks for so little that it gets more than that on a busy machine too. */
const LIMITED = { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '200m', memory: '64Mi' } };

describe('resource metrics', () => {
  const ground = playground('metrics', async (it) => {
    await it.create(
      pod('busy', {
        labels: { app: 'busy' },
        spec: {
          containers: [shell(BUSY, { name: 'spins', resources: LIMITED }), shell('sleep 86400', { name: 'sleeps' })],
        },
      }),
      object(
        'Deployment',
        'load',
        {
          spec: {
            replicas: 1,
            selector: { matchLabels: { app: 'load' } },
            template: {
              metadata: { labels: { app: 'load' } },
              spec: {
                terminationGracePeriodSeconds: 0,
                containers: [container({ command: ['sh', '-c', BUSY], resources: LIMITED })],
              },
            },
          },
        },
        'apps/v1',
      ),
      object(
        'HorizontalPodAutoscaler',
        'load',
        {
          spec: {
            scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'load' },
            minReplicas: 1,
            maxReplicas: 2,
            metrics: [
              { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 100 } } },
            ],
          },
        },
        'autoscaling/v2',
      ),
    );
    return undefined;
  });
  const kubectl = (...args: string[]) => ground().cluster.kubectl(...args);

  test('the group is registered and can be had', async () => {
    const found = await ground().api.get<{ status: { conditions: { type: string; status: string }[] } }>(
      '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io',
    );
    expect(found.status.conditions).toContainEqual(expect.objectContaining({ type: 'Available', status: 'True' }));
    expect(await kubectl('api-resources', '--api-group=metrics.k8s.io', '--no-headers')).toMatch(
      /^nodes +metrics\.k8s\.io\/v1beta1 +false +NodeMetrics\npods +metrics\.k8s\.io\/v1beta1 +true +PodMetrics\n$/,
    );
  });

  test('kubectl top nodes', async () => {
    // A node that has just begun has no second sample yet, and is not in the list.
    const lines = await eventually('all nodes are told of', async () => {
      const all = (await kubectl('top', 'nodes', '--no-headers')).trim().split('\n');
      return all.length >= 3 && all.every((line) => /m +\d+%/.test(line)) && all;
    });
    for (const line of lines) expect(line).toMatch(/^\S+ +\d+m +\d+% +\d+Mi +\d+% *$/); // one may have no pods
    expect(lines).toContainEqual(expect.stringMatching(/^\S+ +[1-9]\d*m +\d+% +[1-9]\d*Mi +\d+% *$/));
  });

  test('kubectl top pods, by container and by label', async () => {
    await ground().ready('busy');
    const top = (...args: string[]) => kubectl('-n', ground().namespace, 'top', 'pods', '--no-headers', ...args);
    await eventually('the spinning container is seen to use more than it asked for', async () => {
      const [, cores] = /^busy +spins +(\d+)m/m.exec(await top('--containers', '-l', 'app=busy')) ?? [];
      // Limited to 200m; the sample that its start is in may show more.
      return Number(cores) > 10 && Number(cores) < 300 ? Number(cores) : undefined;
    });
    expect(await top('--containers', '-l', 'app=busy')).toMatch(/^busy +sleeps +\d+m +\d+Mi *$/m);
    expect(await top('busy')).toMatch(/^busy +\d+m +\d+Mi *$/m);
    expect(await kubectl('top', 'pods', '-A', '--no-headers')).toContain(ground().namespace);
    const raw = JSON.parse(
      await kubectl('get', '--raw', `/apis/metrics.k8s.io/v1beta1/namespaces/${ground().namespace}/pods/busy`),
    );
    expect(raw).toMatchObject({
      kind: 'PodMetrics',
      metadata: { name: 'busy', labels: { app: 'busy' } },
      containers: expect.arrayContaining([
        { name: 'spins', usage: { cpu: expect.stringMatching(/^\d+n$/), memory: expect.stringMatching(/^\d+Ki$/) } },
      ]),
    });
  });

  test('an autoscaler makes a second replica of what uses more than it asked for', async () => {
    const path = ground().path('Deployment', 'apps/v1', 'load');
    await eventually(
      'there are two replicas',
      async () => (await ground().api.get<{ spec: { replicas: number } }>(path)).spec.replicas === 2,
      150_000,
    );
    // The Event is recorded beside the change, by a recorder of its own.
    await eventually('the Event tells of it', async () => {
      const { items } = await ground().api.get<{ items: Event[] }>(ground().path('Event'));
      const told = items.filter(({ reason }) => reason === 'SuccessfulRescale').map(({ message }) => message);
      return told.includes('New size: 2; reason: cpu resource utilization (percentage of request) above target');
    });
  });
});
