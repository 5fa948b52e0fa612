import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { claimEvaluator } from './claim-usage.ts';
import { podEvaluator } from './pod-usage.ts';
import { type ScopeSelector, scopesOf } from './scopes.ts';

const object = (parts: object) => parts as unknown as KubeObject;
const pod = (spec: object) => object({ metadata: {}, spec: { containers: [{ name: 'main' }], ...spec } });
const scope = (scopeName: string, operator = 'Exists', values?: string[]): ScopeSelector => ({
  scopeName,
  operator,
  ...(values && { values }),
});

const term = { topologyKey: 'zone', labelSelector: {} };
const near = (more: object) =>
  pod({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, ...more }] } } });
const preferredAway = (more: object) => {
  const podAffinityTerm = { ...term, ...more };
  const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 1, podAffinityTerm }];
  return pod({ affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution } } });
};
const requests = { cpu: '1' };
const asking = pod({ containers: [{ name: 'main', resources: { requests } }] });
const ending = pod({ activeDeadlineSeconds: 0 });

test.each<[string, KubeObject, ScopeSelector, boolean]>([
  ['that ends by itself', ending, scope('Terminating'), true],
  ['that ends by itself', ending, scope('NotTerminating'), false],
  ['without a deadline', pod({}), scope('NotTerminating'), true],
  ['that asks for nothing', pod({}), scope('BestEffort'), true],
  ['that asks for something', asking, scope('BestEffort'), false],
  ['that asks for something', asking, scope('NotBestEffort'), true],
  ['without a class', pod({}), scope('PriorityClass'), false],
  ['without a class', pod({}), scope('PriorityClass', 'DoesNotExist'), true],
  ['without a class', pod({}), scope('PriorityClass', 'NotIn', ['high']), true],
  ['of a class', pod({ priorityClassName: 'high' }), scope('PriorityClass', 'In', ['high', 'low']), true],
  ['of a class', pod({ priorityClassName: 'high' }), scope('PriorityClass', 'NotIn', ['high']), false],
  ['beside others of its namespace', near({}), scope('CrossNamespacePodAffinity'), false],
  ['beside others, by name', near({ namespaces: ['other'] }), scope('CrossNamespacePodAffinity'), true],
  ['beside others, by a selector', near({ namespaceSelector: {} }), scope('CrossNamespacePodAffinity'), true],
  ['that would keep away', preferredAway({ namespaces: ['other'] }), scope('CrossNamespacePodAffinity'), true],
  ['of any kind', pod({}), scope('VolumeAttributesClass'), false],
])('a pod %s', (_, one, selector, expected) => {
  expect(podEvaluator.matchesScope(one, selector)).toBe(expected);
});

const claim = (asked: string | undefined, status = {}) =>
  object({ metadata: {}, spec: asked ? { volumeAttributesClassName: asked } : {}, status });
const OF_GOLD = scope('VolumeAttributesClass', 'In', ['gold']);

test.each<[string, KubeObject, ScopeSelector, boolean]>([
  ['that asks for the class', claim('gold'), OF_GOLD, true],
  ['that asks for another', claim('tin'), OF_GOLD, false],
  ['that has it, and asks for another', claim('tin', { currentVolumeAttributesClassName: 'gold' }), OF_GOLD, true],
  ['without a class', claim(undefined), scope('VolumeAttributesClass'), false],
  ['without a class', claim(undefined), scope('VolumeAttributesClass', 'DoesNotExist'), true],
  ['as of any kind', claim('gold'), scope('BestEffort'), false],
])('a claim %s', (_, one, selector, expected) => {
  expect(claimEvaluator.matchesScope(one, selector)).toBe(expected);
});

test('a quota may name its scopes in both forms, and means all of them', () => {
  expect(scopesOf({ scopes: ['BestEffort'], scopeSelector: { matchExpressions: [OF_GOLD as never] } })).toEqual([
    scope('BestEffort'),
    OF_GOLD,
  ]);
});
