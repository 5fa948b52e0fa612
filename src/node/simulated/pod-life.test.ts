import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import type { SimulatedPodBehaviour } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { answerTo, behaviourOf, EXEC, exitCodeOf, RUN_SECONDS, WAITING } from './pod-behaviour.ts';
import { nextStep } from './pod-life.ts';

const START_MS = Date.UTC(2026, 0, 1);

const pod = (restartPolicy: string, metadata: object = {}): Pod =>
  ({
    metadata: { namespace: 'default', name: 'web', uid: 'u1', ...metadata },
    spec: { restartPolicy, nodeName: 'one', containers: [{ name: 'main', image: 'i' }] },
    status: { phase: 'Pending' },
  }) as unknown as Pod;

/** Its phase, its container's state and how often it was restarted, at each step, with the seconds from the beginning. */
function lifeOf(start: Pod, behaviour: SimulatedPodBehaviour, steps: number): string[] {
  let now = start;
  let nowMs = START_MS;
  const seen: string[] = [];
  for (let at = 0; at < steps; at++) {
    const step = nextStep(now, behaviour, { nowMs, vary: (ms) => ms, startMs: 1000 });
    if (!step) break;
    nowMs += step.afterMs;
    now = { ...now, status: step.status({ nowMs, hostIP: '198.18.0.0', podIP: '10.128.0.2' }) };
    const [container] = now.status?.containerStatuses ?? [];
    const { running, waiting, terminated } = container?.state ?? {};
    const state = running ? 'running' : (waiting?.reason ?? `${terminated?.reason} ${terminated?.exitCode}`);
    const ready = now.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' ? ' ready' : '';
    seen.push(`${(nowMs - START_MS) / 1000}s ${now.status?.phase} ${state} ${container?.restartCount}${ready}`);
  }
  return seen;
}

describe('the life of a pod', () => {
  test('without a length: it starts and runs', () =>
    expect(lifeOf(pod('Always'), {}, 9)).toEqual(['1s Running running 0 ready']));
  test('that runs for a while, once', () =>
    expect(lifeOf(pod('Never'), { runSeconds: 5, startSeconds: 2, exitCode: 3 }, 9)).toEqual([
      '2s Running running 0 ready',
      '7s Failed Error 3 0',
    ]));
  test('that is to be restarted when it fails: it succeeds', () =>
    expect(lifeOf(pod('OnFailure'), { runSeconds: 5 }, 9)).toEqual([
      '1s Running running 0 ready',
      '6s Succeeded Completed 0 0',
    ]));
  test('that is restarted again and again, at once, after 10 s, after 20 s', () =>
    expect(lifeOf(pod('Always'), { runSeconds: 5, exitCode: 1 }, 6)).toEqual([
      '1s Running running 0 ready',
      '6s Running running 1 ready',
      '11s Running CrashLoopBackOff 1',
      '21s Running running 2 ready',
      '26s Running CrashLoopBackOff 2',
      '46s Running running 3 ready',
    ]));
  test('that cannot be started: it waits', () =>
    expect(lifeOf(pod('Always'), { waiting: { reason: 'ImagePullBackOff' } }, 9)).toEqual([
      '1s Pending ImagePullBackOff 0',
    ]));
  test('that is being deleted has no next step', () =>
    expect(lifeOf(pod('Always', { deletionTimestamp: '2026-01-01T00:00:00Z' }), {}, 9)).toEqual([]));
});

test('the first rule that selects a pod counts, and its own annotations count more', () => {
  const rules = [{ selector: { matchLabels: { app: 'job' } }, runSeconds: 60, exitCode: 1 }, { runSeconds: 3600 }];
  const labelled = (app: string, annotations?: object) => pod('Never', { labels: { app }, annotations });
  expect(behaviourOf(labelled('job'), rules)).toMatchObject({ runSeconds: 60, exitCode: 1 });
  expect(behaviourOf(labelled('web'), rules)).toMatchObject({ runSeconds: 3600 });
  const own = behaviourOf(labelled('job', { [RUN_SECONDS]: '5', [WAITING]: 'ErrImagePull' }), rules);
  expect(own).toMatchObject({ runSeconds: 5, exitCode: 1, waiting: { reason: 'ErrImagePull' } });
  expect(behaviourOf(labelled('job', { [RUN_SECONDS]: 'soon', [EXEC]: 'no' }), rules)).toMatchObject({
    runSeconds: 60,
  });
});

test('a share of the pods fails, always the same ones', () => {
  const uids = Array.from({ length: 1000 }, (_, index) => `uid-${index}`);
  const failing = () =>
    uids.filter((uid) => exitCodeOf(pod('Never', { uid }), { failure: { share: 0.2, exitCode: 7 } }) === 7);
  expect(failing().length).toBeGreaterThan(130);
  expect(failing().length).toBeLessThan(270);
  expect(failing()).toEqual(failing());
});

test('a command is answered by the first answer whose words it begins with', () => {
  const exec = [
    { command: ['cat', '/etc/hostname'], stdout: 'web\n' },
    { command: ['cat'], exitCode: 1 },
  ];
  expect(answerTo(['cat', '/etc/hostname'], { exec })?.stdout).toBe('web\n');
  expect(answerTo(['cat', '/etc/motd'], { exec })?.exitCode).toBe(1);
  expect(answerTo(['ls'], { exec })).toBeUndefined();
  expect(answerTo(['ls'], { exec: [{ stdout: 'all' }] })?.stdout).toBe('all');
});
