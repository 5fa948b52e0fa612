/** A node that runs out of processes, as the machine and the pods' control groups count them: the pod that has most goes. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import type { Event, Node } from '#api/generated/schema.ts';
import { DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { detectMachineFacts, type MachineFacts } from '#node/runtime/machine-facts.ts';
import { type KubeletFixture, NODE, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../../node/private-containerd.ts';

/** The kubelet looks every 10 s, and the test waits for two looks. */
const SLOWLY = { timeout: 300_000 };
const MANY = 100;
const LEAST_AVAILABLE = 50;
const facts = detectMachineFacts();
let isShort = false;
/** Others begin and end processes here as well: when it is short, it is by as much whatever they do. */
const machine: MachineFacts = {
  ...facts,
  get maxPids() {
    return isShort ? runningThreads() + LEAST_AVAILABLE / 2 : facts.maxPids;
  },
};

let containerd: PrivateContainerd;
let fixture: KubeletFixture;
beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.12.0/24');
  fixture = await startKubeletFixture(containerd, {
    machine,
    configuration: {
      ...DEFAULT_CONFIGURATION,
      evictionHard: { 'pid.available': `${LEAST_AVAILABLE}` },
      evictionPressureTransitionPeriod: '0s',
      imageGCHighThresholdPercent: 100,
    },
  });
}, SLOWLY.timeout);
afterAll(async () => {
  await fixture?.close();
  await containerd?.close();
});

const until = (name: string, isWanted: (pod: Pod | undefined) => boolean) =>
  fixture.api.until<Pod>(`/api/v1/namespaces/default/pods/${name}`, isWanted);
const pressure = (node: Node | undefined) => node?.status?.conditions?.find(({ type }) => type === 'PIDPressure');
const untilNode = (status: string) =>
  fixture.api.until<Node>(`/api/v1/nodes/${NODE}`, (node) => pressure(node)?.status === status);
const isReady = (pod: Pod | undefined) =>
  pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

test('a node short of processes says so, ends the pod that has most, and takes pods again when it has enough', {
  timeout: SLOWLY.timeout,
}, async () => {
  const begins = `i=0; while [ $i -lt ${MANY} ]; do sleep 86400 & i=$((i + 1)); done; echo > /begun; wait`;
  await fixture.client.create(Pod, podOf('few', { containers: [{ name: 'main' }] }));
  await fixture.client.create(
    Pod,
    podOf('many', {
      containers: [
        {
          name: 'main',
          command: ['sh', '-c', begins],
          readinessProbe: {
            exec: { command: ['cat', '/begun'] },
            periodSeconds: 1,
            timeoutSeconds: 30,
            successThreshold: 1,
            failureThreshold: 3,
          },
        },
      ],
    }),
  );
  for (const name of ['few', 'many']) await until(name, isReady);

  const pressed = untilNode('True');
  isShort = true;
  const { status } = (await until('many', (pod) => pod?.status?.phase === 'Failed')) ?? {};
  isShort = false;
  expect(status?.reason).toBe('Evicted');
  expect(status?.message).toMatch(
    new RegExp(`^The node was low on resource: pids\\. Threshold quantity: ${LEAST_AVAILABLE}, available: -?\\d+\\. $`),
  );
  expect(pressure(await pressed)).toMatchObject({
    reason: 'KubeletHasInsufficientPID',
    message: 'kubelet has insufficient PID available',
  });
  const said = () => fixture.api.all<Event>('/api/v1/events').map(({ reason, message }) => `${reason}: ${message}`);
  await expect.poll(said, { timeout: 120_000 }).toContain('EvictionThresholdMet: Attempting to reclaim pids');

  await untilNode('False');
  await fixture.client.create(Pod, podOf('next', { containers: [{ name: 'main' }] }));
  await until('next', isReady);
});

/** Of the whole machine. */
const runningThreads = (): number => Number(/ \d+\/(\d+) /.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1]);
