/**
 * From creating a pod to its being seen Running, against the same sandbox and container made by CRI on the same node's
 * containerd, turn about; alone (also without the scheduler) and eight at a time. The overhead is the difference of the medians.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#cmd/system-clock.ts';
import { PAUSE_IMAGE } from '#node/images/pause-image.ts';
import { connectContainerd } from '#node/runtime/containerd/containerd.ts';
import type { ContainerRuntime, PodSandboxConfig } from '#node/runtime/runtime.ts';
import type { Bench } from './bench.ts';
import { exchange, open } from './http2-load.ts';
import { podsPath } from './objects.ts';
import { PodWatch } from './pod-watch.ts';
import { missingHere, RealCluster } from './real-cluster.ts';
import { median, type Row, sizeRow, timesRow } from './row.ts';
import { turnAbout } from './turns.ts';

const ALONE = 15;
const AT_ONCE = 8;
const ROUNDS = 3;
const NAMESPACE = 'default';
const NODE = 'node1';
const NOTE = 'RunPodSandbox + CreateContainer + StartContainer';
const REMOVED_WITHIN_MS = 20_000;
const TARGET_OVERHEAD_MS = 50;

export async function run(bench: Bench): Promise<Row[]> {
  const missing = await missingHere();
  if (missing) {
    bench.say(`no rows: ${missing}`);
    return [];
  }
  const cluster = await RealCluster.make(bench, { nodes: 1 });
  bench.say('kedge up, one node');
  await cluster.up();
  const { containerdSocket } = await cluster.layout(NODE);
  const runtime = connectContainerd({ socketPath: containerdSocket, clock: systemClock });
  bench.atEnd(() => runtime.close());
  const session = await open(cluster.target());
  bench.atEnd(() => session.destroy());
  const watch = await PodWatch.open(session, NAMESPACE);

  const pods = async (count: number, nodeName?: string): Promise<number[]> => {
    const names = Array.from({ length: count }, () => nextName());
    const times = await Promise.all(
      names.map(async (name) => {
        const began = performance.now();
        const running = watch.running(name);
        await exchange(session, { method: 'POST', path: podsPath(NAMESPACE), body: podBody(name, nodeName) });
        return (await running) - began;
      }),
    );
    await Promise.all(
      names.map(async (name) => {
        const gone = watch.gone(name);
        await exchange(session, { method: 'DELETE', path: `${podsPath(NAMESPACE)}/${name}?gracePeriodSeconds=0` });
        await gone;
      }),
    );
    await untilRemoved(runtime);
    return times;
  };
  const floors = (count: number) => Promise.all(Array.from({ length: count }, () => byCri(runtime, nextName())));

  bench.say('pods and bare sandboxes, turn about');
  await pods(1); // the first after containerd's start takes longer
  const named: number[] = [];
  const alone = await turnAbout(
    ALONE,
    async () => {
      named.push(...(await pods(1, NODE)));
      return pods(1);
    },
    () => floors(1),
  );
  const many = await turnAbout(
    ROUNDS,
    () => pods(AT_ONCE),
    () => floors(AT_ONCE),
  );
  const scheduled = alone.own.flat();
  const floor = { value: median(alone.floor.flat()), note: NOTE };
  return [
    timesRow('pod-start/1 pod', scheduled, floor),
    timesRow('pod-start/1 pod, node named by the client', named, floor),
    {
      ...sizeRow('pod-start/overhead', 'ms', { value: median(scheduled) - floor.value }),
      target: TARGET_OVERHEAD_MS,
    },
    timesRow(`pod-start/${AT_ONCE} pods at once`, many.own.flat(), { value: median(many.floor.flat()), note: NOTE }),
  ];
}

/** The API forgets a pod before its node has; what comes next would be measured beside the clearing away. */
async function untilRemoved(runtime: ContainerRuntime): Promise<void> {
  for (const deadline = performance.now() + REMOVED_WITHIN_MS; performance.now() < deadline; await delay(20)) {
    if ((await runtime.listPodSandboxes()).length === 0) return;
  }
  throw new Error(`sandboxes are left after ${REMOVED_WITHIN_MS} ms`);
}

let made = 0;
const nextName = (): string => `bench-${made++}`;

/** The pause image also as the container: nothing starts faster. */
const podBody = (name: string, nodeName?: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      containers: [{ name: 'main', image: PAUSE_IMAGE, imagePullPolicy: 'Never' }],
      terminationGracePeriodSeconds: 0,
      ...(nodeName && { nodeName }),
    },
  });

/** ms until the container is started; what was made is removed again, untimed. */
async function byCri(runtime: ContainerRuntime, name: string): Promise<number> {
  const namespaceOptions = { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } as const;
  const sandbox: PodSandboxConfig = {
    metadata: { name, uid: name, namespace: NAMESPACE, attempt: 0 },
    hostname: name,
    logDirectory: '',
    portMappings: [],
    labels: {},
    annotations: {},
    linux: { cgroupParent: '', securityContext: { namespaceOptions }, sysctls: {} },
  };
  const container = {
    metadata: { name: 'main', attempt: 0 },
    image: PAUSE_IMAGE,
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    mounts: [],
    labels: {},
    annotations: {},
    logPath: '',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { resources: {}, securityContext: { namespaceOptions } },
  };
  const began = performance.now();
  const sandboxId = await runtime.runPodSandbox(sandbox);
  const containerId = await runtime.createContainer(sandboxId, container, sandbox);
  await runtime.startContainer(containerId);
  const tookMs = performance.now() - began;
  await runtime.stopContainer(containerId, 0);
  await runtime.removeContainer(containerId);
  await runtime.stopPodSandbox(sandboxId);
  await runtime.removePodSandbox(sandboxId);
  return tookMs;
}
