/**
 * What every container runtime must do for the kubelet: one suite for containerd and for the simulated one. The test
 * framework is an argument, so that this file is part of the layer and of no test run by itself.
 */
import type { ContainerConfig, ContainerStatus } from './container.ts';
import type { PodSandboxConfig } from './pod-sandbox.ts';
import type { ContainerRuntime, RuntimeEvent } from './runtime.ts';

export interface ConformanceFramework {
  test(name: string, run: () => Promise<void>): void;
  equal(actual: unknown, expected: unknown): void;
}

export interface ConformanceSubject {
  runtime(): ContainerRuntime;
  /** An image that has `sh`, `sleep`, `true`, `false`, `cat` in /bin. */
  image: string;
  logDirectory(): string;
  /** A number that differs in each call. */
  unique(): number;
}

export function sandboxConfigForTest(subject: ConformanceSubject): PodSandboxConfig {
  const uid = `conformance-${subject.unique()}`;
  return {
    metadata: { name: uid, uid, namespace: 'default', attempt: 0 },
    hostname: uid,
    logDirectory: `${subject.logDirectory()}/${uid}`,
    portMappings: [],
    labels: { 'io.kubernetes.pod.uid': uid },
    annotations: { note: 'a b' },
    linux: {
      cgroupParent: '',
      securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
      sysctls: {},
    },
  };
}

export function containerConfigForTest(image: string, command: string[]): ContainerConfig {
  return {
    metadata: { name: 'main', attempt: 0 },
    image,
    command,
    args: [],
    workingDir: '',
    envs: [{ key: 'GREETING', value: 'hello' }],
    mounts: [],
    labels: { 'io.kubernetes.container.name': 'main' },
    annotations: { 'io.kubernetes.container.hash': 'abc' },
    logPath: 'main/0.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: {
      resources: { cpuShares: 2 },
      securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
    },
  };
}

/** Follows the container until it is in the state; a runtime that never gets there fails by the test's time-out. */
export async function untilState(runtime: ContainerRuntime, id: string, state: string): Promise<ContainerStatus> {
  for (;;) {
    const status = await runtime.containerStatus(id);
    if (status?.state === state) return status;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function runtimeConformance(subject: ConformanceSubject, { test, equal }: ConformanceFramework): void {
  async function withSandbox(body: (sandboxId: string, config: PodSandboxConfig) => Promise<void>): Promise<void> {
    const config = sandboxConfigForTest(subject);
    const id = await subject.runtime().runPodSandbox(config);
    try {
      await body(id, config);
    } finally {
      await subject.runtime().stopPodSandbox(id);
      await subject.runtime().removePodSandbox(id);
    }
  }
  const started = async (sandboxId: string, config: PodSandboxConfig, command: string[]): Promise<string> => {
    const id = await subject
      .runtime()
      .createContainer(sandboxId, containerConfigForTest(subject.image, command), config);
    await subject.runtime().startContainer(id);
    return id;
  };

  test('a sandbox is ready, has an address and keeps its labels; stopped, it is not ready; removed, it is gone', async () => {
    const runtime = subject.runtime();
    const config = sandboxConfigForTest(subject);
    const id = await runtime.runPodSandbox(config);
    const status = await runtime.podSandboxStatus(id);
    equal(status?.state, 'SANDBOX_READY');
    equal(status?.ips.length, 1);
    equal(status?.metadata, config.metadata);
    equal(status?.annotations, config.annotations);
    const listed = await runtime.listPodSandboxes({ labelSelector: config.labels });
    equal(
      listed.map((sandbox) => sandbox.id),
      [id],
    );
    await runtime.stopPodSandbox(id);
    equal((await runtime.podSandboxStatus(id))?.state, 'SANDBOX_NOTREADY');
    await runtime.removePodSandbox(id);
    equal(await runtime.podSandboxStatus(id), undefined);
  });

  test('stopping and removing what does not exist is no error; its status is undefined', async () => {
    const runtime = subject.runtime();
    await runtime.stopPodSandbox('none');
    await runtime.removePodSandbox('none');
    await runtime.stopContainer('none', 0);
    await runtime.removeContainer('none');
    equal(await runtime.podSandboxStatus('none'), undefined);
    equal(await runtime.containerStatus('none'), undefined);
    equal(await runtime.imageStatus('kedge.local/none:1'), undefined);
  });

  test('a container goes from created over running to exited, with instants in order', () =>
    withSandbox(async (sandboxId, config) => {
      const runtime = subject.runtime();
      const id = await runtime.createContainer(
        sandboxId,
        containerConfigForTest(subject.image, ['/bin/sleep', '600']),
        config,
      );
      equal((await runtime.containerStatus(id))?.state, 'CONTAINER_CREATED');
      await runtime.startContainer(id);
      const running = await runtime.containerStatus(id);
      equal(running?.state, 'CONTAINER_RUNNING');
      equal(running?.finishedAt, undefined);
      equal(running?.annotations, { 'io.kubernetes.container.hash': 'abc' });
      await runtime.stopContainer(id, 0);
      const exited = await runtime.containerStatus(id);
      equal(exited?.state, 'CONTAINER_EXITED');
      equal(exited?.exitCode, 137);
      equal((exited?.startedAt ?? 0) <= (exited?.finishedAt ?? 0), true);
      await runtime.removeContainer(id);
      equal(await runtime.containerStatus(id), undefined);
    }));

  for (const { command, exitCode, reason } of [
    { command: ['/bin/true'], exitCode: 0, reason: 'Completed' },
    { command: ['/bin/sh', '-c', 'exit 3'], exitCode: 3, reason: 'Error' },
  ])
    test(`a container that runs ${command.join(' ')} exits with ${exitCode}, ${reason}`, () =>
      withSandbox(async (sandboxId, config) => {
        const id = await started(sandboxId, config, command);
        const status = await untilState(subject.runtime(), id, 'CONTAINER_EXITED');
        equal([status.exitCode, status.reason], [exitCode, reason]);
      }));

  test('an exit is told to whoever listens', () =>
    withSandbox(async (sandboxId, config) => {
      const stop = new AbortController();
      const seen: RuntimeEvent[] = [];
      const iterator = subject.runtime().events(stop.signal)[Symbol.asyncIterator]();
      const next = iterator.next();
      // The subscription is known to stand when its first event arrives: containers are started until then.
      let told = false;
      const first = next.then((result) => {
        told = true;
        if (!result.done) seen.push(result.value);
      });
      let id = '';
      while (!told) {
        id = await started(sandboxId, { ...config }, ['/bin/true']);
        await untilState(subject.runtime(), id, 'CONTAINER_EXITED');
        await subject.runtime().removeContainer(id);
      }
      await first;
      id = await started(sandboxId, config, ['/bin/true']);
      while (!seen.some((event) => event.type === 'exited' && event.id === id)) {
        const result = await iterator.next();
        if (result.done) break;
        seen.push(result.value);
      }
      equal(
        seen.some((event) => event.type === 'exited' && event.id === id),
        true,
      );
      stop.abort();
      await iterator.return?.(undefined);
    }));

  test('execSync gives output and exit code, and DeadlineExceeded when it takes too long', () =>
    withSandbox(async (sandboxId, config) => {
      const runtime = subject.runtime();
      const id = await started(sandboxId, config, ['/bin/sleep', '600']);
      const good = await runtime.execSync(id, ['/bin/sh', '-c', 'echo out; echo err >&2; exit 4'], 10);
      equal([text(good.stdout), text(good.stderr), good.exitCode], ['out\n', 'err\n', 4]);
      const late = await runtime.execSync(id, ['/bin/sleep', '600'], 1).then(
        () => 'in time',
        (error: { code: string }) => error.code,
      );
      equal(late, 'DeadlineExceeded');
    }));

  test('images are found by name and by id', async () => {
    const image = await subject.runtime().imageStatus(subject.image);
    equal(image?.repoTags.includes(subject.image), true);
    equal((await subject.runtime().imageStatus(image?.id ?? ''))?.id, image?.id);
    const all = await subject.runtime().listImages();
    equal(
      all.some(({ id }) => id === image?.id),
      true,
    );
  });
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
