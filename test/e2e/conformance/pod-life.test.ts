/** How containers start, are probed, end and say why: init containers, hooks, probes, restarts, termination messages. */
import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { eventually } from '../running-cluster.ts';
import { SERVER } from './image.ts';
import { type Container, container, isReady, type PodSpec, playground, pod, shell } from './playground.ts';

const restarts = ({ status }: Pod) => status?.containerStatuses?.[0]?.restartCount ?? 0;
const terminated = ({ status }: Pod) => status?.containerStatuses?.[0]?.state?.terminated;
const initCondition = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'Initialized')?.status;
const server = (env: Record<string, string> = {}, parts: Partial<Container> = {}) =>
  container({ command: SERVER, env: Object.entries(env).map(([name, value]) => ({ name, value })), ...parts });
type Probe = NonNullable<Container['livenessProbe']>;
const alive = (name: string, main: Container, probe: Probe) =>
  pod(name, {
    spec: {
      restartPolicy: 'Always',
      containers: [{ ...main, livenessProbe: { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 1, ...probe } }],
    },
  });

const CAT_HEALTH = { exec: { command: ['cat', '/tmp/health'] }, initialDelaySeconds: 1 };
const HEALTHZ = { httpGet: { path: '/healthz', port: 8080 }, initialDelaySeconds: 3 };
const GRPC = { grpc: { port: 5000 }, initialDelaySeconds: 3 };

/** Alive from when it has begun, however long that took: one probe that fails then is one too many. */
const begun = (name: string, main: Container, probe: Probe) => {
  const startupProbe = { ...probe, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 120 };
  return alive(name, { ...main, startupProbe }, { ...probe, timeoutSeconds: 30 });
};

/** Pods that are left alone. By name: their test. */
const KEPT = {
  'exec-healthy': [begun('exec-healthy', shell('echo ok > /tmp/health; sleep 600'), CAT_HEALTH), 'a exec "cat health"'],
  'tcp-healthy': [begun('tcp-healthy', server(), { tcpSocket: { port: 8080 }, initialDelaySeconds: 3 }), 'a tcp:8080'],
  'http-healthy': [begun('http-healthy', server(), HEALTHZ), 'a /healthz http'],
  'grpc-healthy': [begun('grpc-healthy', server({ GRPC_PORT: '5000' }), GRPC), 'a GRPC'],
} as const;
/** Pods that get unhealthy after a while. */
const RESTARTED = {
  'exec-sick': [
    alive('exec-sick', shell('echo ok > /tmp/health; sleep 4; rm /tmp/health; sleep 600'), CAT_HEALTH),
    'a exec "cat health"',
  ],
  'http-sick': [alive('http-sick', server({ UNHEALTHY_AFTER: '5' }), HEALTHZ), 'a /healthz http'],
  'grpc-sick': [alive('grpc-sick', server({ GRPC_PORT: '5000', UNHEALTHY_AFTER: '5' }), GRPC), 'a GRPC'],
} as const;

const READINESS_DELAY_S = 8;
const readiness = (command: string, parts: Probe) =>
  shell('sleep 600', { readinessProbe: { exec: { command: ['sh', '-c', command] }, periodSeconds: 1, ...parts } });

const inits = (first: string): Partial<PodSpec> => ({
  initContainers: [shell(first, { name: 'init1' }), shell('true', { name: 'init2' })],
});
const saying = (script: string, parts: Partial<Container> = {}) =>
  pod('', { spec: { containers: [shell(script, { terminationMessagePolicy: 'FallbackToLogsOnError', ...parts })] } })
    .spec;
const MESSAGES = {
  'report termination message as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set': {
    spec: saying('echo DONE; true'),
    message: undefined,
    phase: 'Succeeded',
  },
  'report termination message from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set': {
    spec: saying('printf OK > /dev/termination-log; echo DONE; true'),
    message: 'OK',
    phase: 'Succeeded',
  },
  'report termination message from log output if TerminationMessagePolicy FallbackToLogsOnError is set': {
    spec: saying('printf DONE; false'),
    message: 'DONE',
    phase: 'Failed',
  },
  'report termination message if TerminationMessagePath is set as non-root user and at a non-default path': {
    spec: saying('printf DONE > /dev/termination-custom-log', {
      terminationMessagePath: '/dev/termination-custom-log',
      terminationMessagePolicy: 'File',
      securityContext: { runAsUser: 1000 },
    }),
    message: 'DONE',
    phase: 'Succeeded',
  },
} as const;
const messageNames = Object.keys(MESSAGES) as (keyof typeof MESSAGES)[];

describe('the life of containers', () => {
  let startedAt = 0;
  const ground = playground('pod-life', async (it) => {
    startedAt = performance.now();
    await it.create(
      ...[...Object.values(KEPT), ...Object.values(RESTARTED)].map(([made]) => made),
      alive('again-and-again', shell('echo ok > /tmp/health; sleep 2; rm /tmp/health; sleep 600'), CAT_HEALTH),
      pod('late', {
        spec: { restartPolicy: 'Always', containers: [readiness('true', { initialDelaySeconds: READINESS_DELAY_S })] },
      }),
      pod('never-ready', { spec: { restartPolicy: 'Always', containers: [readiness('false', {})] } }),
      pod('init-never', { spec: { ...inits('true'), containers: [shell('true')] } }),
      pod('init-always', { spec: { ...inits('true'), restartPolicy: 'Always', containers: [shell('sleep 600')] } }),
      pod('init-fails-never', { spec: { ...inits('false'), containers: [shell('true')] } }),
      pod('init-fails-always', {
        spec: { ...inits('false'), restartPolicy: 'Always', containers: [shell('sleep 600')] },
      }),
      pod('terminate-never', { spec: { containers: [shell('sleep 1; exit 1')] } }),
      pod('terminate-on-failure', { spec: onceThenWell('OnFailure') }),
      pod('terminate-always', { spec: onceThenWell('Always') }),
      pod('always-fails', { spec: { restartPolicy: 'Always', containers: [shell('false')] } }),
      ...messageNames.map((name, index) => ({ ...pod(`message-${index}`, { spec: {} }), spec: MESSAGES[name].spec })),
      pod('hook-server', {
        spec: {
          restartPolicy: 'Always',
          containers: [server({}, { readinessProbe: { httpGet: HEALTHZ.httpGet, periodSeconds: 1 } })],
        },
      }),
      pod('generous', {
        spec: { terminationGracePeriodSeconds: 30, containers: [shell('trap "exit 0" TERM; sleep 600 & wait')] },
      }),
    );
    return undefined;
  });

  describe('init containers', () => {
    const initStates = ({ status }: Pod) =>
      status?.initContainerStatuses?.map(({ state }) => state?.terminated?.exitCode);
    for (const [policy, name, phase] of [
      ['RestartNever', 'init-never', 'Succeeded'],
      ['RestartAlways', 'init-always', 'Running'],
    ] as const) {
      test(`InitContainer should invoke init containers on a ${policy} pod`, async () => {
        const found = await ground().podWhen(name, phase, ({ status }) => status?.phase === phase);
        expect(initStates(found)).toEqual([0, 0]);
        expect(initCondition(found)).toBe('True');
        for (const each of found.status?.initContainerStatuses ?? []) expect(each.ready).toBe(true);
      });
    }

    test('InitContainer should not start app containers and fail the pod if init containers fail on a RestartNever pod', async () => {
      const found = await ground().ended('init-fails-never');
      expect(found.status?.phase).toBe('Failed');
      expect(initCondition(found)).toBe('False');
      const condition = found.status?.conditions?.find(({ type }) => type === 'Initialized');
      expect(condition).toMatchObject({
        reason: 'ContainersNotInitialized',
        message: 'containers with incomplete status: [init1 init2]',
      });
      expect(initStates(found)).toEqual([1, undefined]);
      expect(found.status?.containerStatuses?.[0]?.state?.waiting).toBeDefined();
    });

    test('InitContainer should not start app containers if init containers fail on a RestartAlways pod', async () => {
      const found = await ground().podWhen(
        'init-fails-always',
        'has restarted its init container three times',
        ({ status }) => (status?.initContainerStatuses?.[0]?.restartCount ?? 0) >= 3,
        240_000, // each back-off is twice as long
      );
      expect(found.status?.phase).toBe('Pending');
      expect(initCondition(found)).toBe('False');
      expect(found.status?.initContainerStatuses?.[1]?.state?.waiting).toBeDefined();
      expect(found.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing');
    });
  });

  describe('ends', () => {
    test('Container Runtime blackbox test when starting a container that exits should run with the expected status', async () => {
      const never = await ground().ended('terminate-never');
      expect(never.status?.phase).toBe('Failed');
      expect([restarts(never), isReady(never), terminated(never)?.exitCode]).toEqual([0, false, 1]);
      const onFailure = await ground().ended('terminate-on-failure');
      expect(onFailure.status?.phase).toBe('Succeeded');
      expect([restarts(onFailure), isReady(onFailure), terminated(onFailure)?.exitCode]).toEqual([1, false, 0]);
      const always = await ground().podWhen('terminate-always', 'has restarted', (it) => restarts(it) >= 2);
      expect(always.status?.phase).toBe('Running');
    });

    for (const [index, name] of messageNames.entries()) {
      test(`Container Runtime blackbox test on terminated container should ${name}`, async () => {
        const found = await ground().ended(`message-${index}`);
        expect(found.status?.phase).toBe(MESSAGES[name].phase);
        expect(terminated(found)?.message).toBe(MESSAGES[name].message);
      });
    }

    test('Kubelet when scheduling a busybox command that always fails in a pod should have an terminated reason', async () => {
      const reasonOf = ({ status }: Pod) =>
        (status?.containerStatuses?.[0]?.state?.terminated ?? status?.containerStatuses?.[0]?.lastState?.terminated)
          ?.reason;
      const found = await ground().podWhen('always-fails', 'has failed', (it) => reasonOf(it) !== undefined);
      expect(reasonOf(found)).toBe('Error');
    });

    test('Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete', async () => {
      const path = ground().path('Pod', 'v1', 'always-fails');
      await ground().api.delete(path);
      await ground().gone(path);
    });

    test('Pods should be submitted and removed', async () => {
      const path = ground().path('Pod', 'v1', 'generous');
      await ground().ready('generous');
      const seen = ground().api.watch(`${ground().path('Pod')}?fieldSelector=metadata.name%3Dgenerous`);
      const saw = (what: string) => eventually(what, async () => seen.events.some(({ type }) => type === what));
      try {
        await saw('ADDED');
        await ground().api.delete(path);
        await saw('DELETED');
      } finally {
        seen.stop();
      }
      const last = seen.events.at(-1)?.object;
      expect(last?.metadata.deletionTimestamp).toBeDefined();
      expect((last as Pod | undefined)?.spec.terminationGracePeriodSeconds).toBe(30);
      expect((await ground().api.try('GET', path)).code).toBe(404);
    });
  });

  describe('hooks', () => {
    const seenBy = async () => ground().exec('hook-server', 'wget -qO- http://127.0.0.1:8080/seen');
    const hook = async (name: string, lifecycle: (address: string) => Container['lifecycle']) => {
      const address = (await ground().ready('hook-server')).status?.podIP ?? '';
      const main = shell('trap "exit 0" TERM; sleep 600 & wait', { lifecycle: lifecycle(address) });
      await ground().create(pod(name, { spec: { terminationGracePeriodSeconds: 30, containers: [main] } }));
      await ground().ready(name);
    };
    const remove = async (name: string) => {
      const path = ground().path('Pod', 'v1', name);
      await ground().api.delete(path);
      await ground().gone(path);
    };
    const askWith = (address: string, how: 'exec' | 'http', what: string) =>
      how === 'exec'
        ? { exec: { command: ['sh', '-c', `wget -qO- http://${address}:8080/echo?msg=${what}`] } }
        : { httpGet: { path: `/echo?msg=${what}`, host: address, port: 8080 } };

    for (const how of ['exec', 'http'] as const) {
      test(`Container Lifecycle Hook when create a pod with lifecycle hook should execute poststart ${how} hook properly`, async () => {
        await hook(`poststart-${how}`, (address) => ({ postStart: askWith(address, how, `poststart-${how}`) }));
        await eventually('the hook was called', async () =>
          (await seenBy()).includes(`GET /echo?msg=poststart-${how}`),
        );
        await remove(`poststart-${how}`);
      });
      test(`Container Lifecycle Hook when create a pod with lifecycle hook should execute prestop ${how} hook properly`, async () => {
        await hook(`prestop-${how}`, (address) => ({ preStop: askWith(address, how, `prestop-${how}`) }));
        expect(await seenBy()).not.toContain(`prestop-${how}`);
        await remove(`prestop-${how}`);
        expect(await seenBy()).toContain(`GET /echo?msg=prestop-${how}`);
      });
    }

    test('PreStop should call prestop when killing a pod', async () => {
      await hook('killed', (address) => ({
        preStop: { exec: { command: ['wget', '-qO-', '--post-data=x', `http://${address}:8080/write`] } },
      }));
      await remove('killed');
      await eventually('the hook was called', async () => (await seenBy()).includes('POST /write'));
    });
  });

  describe('probes', () => {
    for (const [name, [, probe]] of Object.entries(RESTARTED)) {
      test(`Probing container should be restarted with ${probe} liveness probe`, async () => {
        await ground().podWhen(name, 'has restarted', (it) => restarts(it) >= 1);
      });
    }

    test('Probing container with readiness probe should not be ready before initial delay and never restart', async () => {
      const found = await ground().ready('late');
      const at = (time: unknown) => new Date(String(time)).getTime();
      const readyAt = at(found.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime);
      const runningAt = at(found.status?.containerStatuses?.[0]?.state?.running?.startedAt);
      expect(readyAt - runningAt).toBeGreaterThanOrEqual((READINESS_DELAY_S - 1) * 1000); // both are whole seconds
      expect(restarts(found)).toBe(0);
    });

    test('Probing container should have monotonically increasing restart count', async () => {
      let before = 0;
      await ground().podWhen(
        'again-and-again',
        'has restarted thrice',
        (it) => {
          expect(restarts(it)).toBeGreaterThanOrEqual(before);
          before = restarts(it);
          return before >= 3;
        },
        240_000,
      );
    });

    // The last ones: what does not happen is seen after all the others had their time.
    test('Probing container with readiness probe that fails should never be ready and never restart', async () => {
      const found = await lookedAtLate('never-ready');
      expect(isReady(found)).toBe(false);
      expect(found.status?.containerStatuses?.[0]?.started).toBe(true);
      expect(restarts(found)).toBe(0);
    });
    for (const [name, [, probe]] of Object.entries(KEPT)) {
      test(`Probing container should *not* be restarted with ${probe} liveness probe`, async () => {
        await ground().ready(name);
        const found = await lookedAtLate(name);
        expect(isReady(found)).toBe(true);
        expect(restarts(found)).toBe(0);
      });
    }
    /** Thirty probes after the start. */
    const lookedAtLate = (name: string) =>
      eventually(`${name} has had its time`, async () => performance.now() - startedAt > 30_000 && ground().pod(name));
  });
});

/** Fails once, then ends well: a file on the volume tells. */
function onceThenWell(restartPolicy: 'OnFailure' | 'Always'): Partial<PodSpec> {
  return {
    restartPolicy,
    volumes: [{ name: 'it', emptyDir: {} }],
    containers: [
      shell('test -e /it/failed && exit 0; touch /it/failed; exit 1', {
        volumeMounts: [{ name: 'it', mountPath: '/it' }],
      }),
    ],
  };
}
