import { afterAll, beforeAll, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import { silentLog } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import type { DebugPage } from '#control-plane/apiserver/http/debug-pages.ts';
import { type RunningScheduler, startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { node, pod } from '#testing/builders.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

const WHY = '/debug/scheduler/why/';
let server: HttpsApiServer;
let scheduler: RunningScheduler;
let client: Client;

beforeAll(async () => {
  const debug = new Map<string, DebugPage>();
  server = await startHttpsApiServer({ serve: { debug } });
  const { api } = server;
  client = api.loopback.client;
  scheduler = startScheduler({
    transportFor: (user) => new InProcessTransport(api.pipeline, user),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  debug.set(WHY, (key) => scheduler.explain(key));
  await client.create(Node, node('node1') as never);
  await client.patch(Node, { name: 'node1' }, { type: 'merge', patch: { spec: { taints: null } } });
  await client.create(Pod, pod('picky', { nodeSelector: { disk: 'ssd' } }) as never);
  await client.create(Pod, pod('easy') as never);
});
afterAll(async () => {
  scheduler.stop();
  await server[Symbol.asyncDispose]();
});

const whyAs = async (user: { name: string; groups: string[] }, key: string) => {
  const transport = server.transportFor(user);
  try {
    return (await transport.request({ method: 'GET', path: `${WHY}${key}` })).object as SchedulingExplanation;
  } finally {
    transport.close();
  }
};
const admin = { name: 'admin', groups: ['system:masters'] };

test('the scheduler answers through the API server, as of now', async () => {
  await expect.poll(async () => (await whyAs(admin, 'default/easy')).nodeName, { timeout: 60_000 }).toBe('node1');
  await expect.poll(async () => (await whyAs(admin, 'default/picky')).message, { timeout: 60_000 }).toBeDefined();
  const why = await whyAs(admin, 'default/picky');
  expect(why.state).toBe('waiting');
  expect(why.nodes).toEqual([
    {
      name: 'node1',
      complaints: [
        {
          plugin: 'NodeAffinity',
          reasons: ["node(s) didn't match Pod's node affinity/selector"],
          changes: ['add label disk=ssd'],
        },
      ],
      scores: [],
      total: 0,
    },
  ]);
});

test('of a pod that is not there nothing is known', async () => {
  await expect(whyAs(admin, 'default/gone')).rejects.toMatchObject({ reason: 'NotFound' });
});

test('only those may ask who may read the path, and that may be one namespace', async () => {
  const jane = { name: 'jane', groups: [] };
  await expect(whyAs(jane, 'default/picky')).rejects.toMatchObject({ reason: 'Forbidden' });
  const rules = [{ nonResourceURLs: [`${WHY}default/*`], verbs: ['get'] }];
  await client.create(ClusterRole, { metadata: { name: 'why-default' }, rules } as never);
  await client.create(ClusterRoleBinding, {
    metadata: { name: 'why-default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'why-default' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' }],
  } as never);
  const ask = () => whyAs(jane, 'default/picky').catch((error: Error) => error.message);
  await expect.poll(ask, { timeout: 60_000 }).toMatchObject({ state: 'waiting' });
  await expect(whyAs(jane, 'kube-system/picky')).rejects.toMatchObject({ reason: 'Forbidden' });
});
