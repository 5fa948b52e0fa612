import { expect, test } from 'vitest';
import type { HorizontalPodAutoscalerBehavior } from '#api/generated/schema.ts';
import { Recommendations } from './recommendations.ts';

const wish = { min: 2, max: 20 };
const policy = (type: string, value: number, periodSeconds = 60) => ({ type, value, periodSeconds });
const behavior = (up: object, down: object = {}): HorizontalPodAutoscalerBehavior => ({
  scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [policy('Percent', 100, 15)], ...up },
  scaleDown: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [policy('Percent', 100, 15)], ...down },
});

test.each([
  [3, 4, 4, false, 'DesiredWithinRange'],
  [3, 9, 6, true, 'ScaleUpLimit'],
  [15, 40, 20, true, 'TooManyReplicas'],
  [2, 1, 2, false, 'DesiredWithinRange'],
])('without a behaviour %d that shall be %d become %d', (current, desired, replicas, isLimited, reason) => {
  const decision = new Recommendations(current, 0).decide({ ...wish, current, desired }, 1000);
  expect(decision).toMatchObject({ replicas, scalingLimited: { isLimited, reason } });
});

test('less is taken only when it was asked for over five minutes', () => {
  const recommendations = new Recommendations(8, 0);
  const at = (seconds: number) => recommendations.decide({ ...wish, current: 8, desired: 1 }, seconds * 1000);
  expect(at(299)).toMatchObject({ replicas: 8, ableToScale: { reason: 'ScaleDownStabilized' } });
  expect(at(301)).toMatchObject({
    replicas: 2,
    ableToScale: { reason: 'ReadyForNewScale' },
    scalingLimited: { isLimited: true, reason: 'TooFewReplicas' },
  });
});

test.each<[string, HorizontalPodAutoscalerBehavior, number, number, number, string]>([
  ['so many pods up', behavior({ policies: [policy('Pods', 3)] }), 5, 15, 8, 'ScaleUpLimit'],
  [
    'the policy that adds the most',
    behavior({ policies: [policy('Pods', 3), policy('Percent', 100)] }),
    5,
    15,
    10,
    'ScaleUpLimit',
  ],
  [
    'the policy that adds the least',
    behavior({ selectPolicy: 'Min', policies: [policy('Pods', 3), policy('Percent', 100)] }),
    5,
    15,
    8,
    'ScaleUpLimit',
  ],
  ['no way up', behavior({ selectPolicy: 'Disabled' }), 5, 15, 5, 'ScaleUpLimit'],
  ['up to the maximum', behavior({ policies: [policy('Pods', 50)] }), 5, 25, 20, 'TooManyReplicas'],
  ['so many pods down', behavior({}, { policies: [policy('Pods', 2)] }), 10, 3, 8, 'ScaleDownLimit'],
  [
    'the policy that takes the most',
    behavior({}, { policies: [policy('Pods', 2), policy('Percent', 50)] }),
    10,
    3,
    5,
    'ScaleDownLimit',
  ],
  [
    'the policy that takes the least',
    behavior({}, { selectPolicy: 'Min', policies: [policy('Pods', 2), policy('Percent', 50)] }),
    10,
    3,
    8,
    'ScaleDownLimit',
  ],
  ['no way down', behavior({}, { selectPolicy: 'Disabled' }), 10, 3, 10, 'ScaleDownLimit'],
  ['down to the minimum', behavior({}), 10, 1, 2, 'TooFewReplicas'],
])('by a behaviour: %s', (_, rules, current, desired, replicas, reason) => {
  const decision = new Recommendations(current, 0).decide({ ...wish, current, desired, behavior: rules }, 1000);
  expect(decision).toMatchObject({ replicas, scalingLimited: { isLimited: true, reason } });
});

test('what was added in the period of a policy counts against it', () => {
  const rules = behavior({ policies: [policy('Pods', 4, 60)] });
  const recommendations = new Recommendations(5, 0);
  recommendations.scaled({ from: 5, to: 8, behavior: rules }, 10_000);
  const at = (seconds: number) =>
    recommendations.decide({ ...wish, current: 8, desired: 15, behavior: rules }, seconds * 1000).replicas;
  expect(at(30)).toBe(9);
  expect(at(71)).toBe(12);
});

test('within its window the lowest recommendation counts on the way up, the highest on the way down', () => {
  const rules = behavior({ stabilizationWindowSeconds: 60 }, { stabilizationWindowSeconds: 60 });
  const recommendations = new Recommendations(5, 0);
  const at = (seconds: number, desired: number) =>
    recommendations.decide({ ...wish, current: 5, desired, behavior: rules }, seconds * 1000);
  expect(at(30, 9)).toMatchObject({ replicas: 5, ableToScale: { reason: 'ScaleUpStabilized' } });
  expect(at(61, 8)).toMatchObject({ replicas: 8, ableToScale: { reason: 'ReadyForNewScale' } });
  expect(at(80, 3)).toMatchObject({ replicas: 5, ableToScale: { reason: 'ScaleDownStabilized' } });
  expect(at(150, 3)).toMatchObject({ replicas: 3, ableToScale: { reason: 'ReadyForNewScale' } });
});
