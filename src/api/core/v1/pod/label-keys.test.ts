/** What becomes of the keys by which a new pod's selectors follow its own labels. */
import { expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { Pod } from '../pod.ts';

const labels = { app: 'web', version: '2' };
const created = (spec: object, of: object = labels): schema.Pod =>
  Pod.prepareForCreate!(
    Pod.defaults({
      ...{ apiVersion: 'v1', kind: 'Pod' },
      metadata: { name: 'web', namespace: 'default', labels: of },
      spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
    } as unknown as schema.Pod),
  );

const selector = { matchLabels: { app: 'web' } };
const keyed = { topologyKey: 'zone', labelSelector: selector, matchLabelKeys: ['version', 'other'] };
const unlike = { ...keyed, matchLabelKeys: ['app'], mismatchLabelKeys: ['version'] };
const requirement = (key: string, operator: string, value: string) => ({ key, operator, values: [value] });
const merged = { ...selector, matchExpressions: [requirement('version', 'In', '2')] };

test('the values of its labels become part of the selectors of its affinity', () => {
  const required = (term: object) => ({ requiredDuringSchedulingIgnoredDuringExecution: [term] });
  const preferred = (term: object) => ({
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }],
  });
  const both = [requirement('app', 'In', 'web'), requirement('version', 'NotIn', '2')];
  const { affinity } = created({
    affinity: {
      podAffinity: { ...required(keyed), ...preferred(unlike) },
      podAntiAffinity: { ...required(unlike), ...preferred(keyed) },
    },
  }).spec;
  const [like, other] = [
    { ...keyed, labelSelector: merged },
    { ...unlike, labelSelector: { ...selector, matchExpressions: both } },
  ];
  expect(affinity?.podAffinity).toEqual({ ...required(like), ...preferred(other) });
  expect(affinity?.podAntiAffinity).toEqual({ ...required(other), ...preferred(like) });
});

test('and of the selectors by which it is spread, behind what is there', () => {
  const exists = { key: 'app', operator: 'Exists' };
  const spread = (more: object) => ({ ...keyed, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', ...more });
  const constraints = [
    spread({}),
    spread({ labelSelector: { matchExpressions: [exists] } }),
    spread({ labelSelector: undefined }),
  ];
  expect(
    created({ topologySpreadConstraints: constraints }).spec.topologySpreadConstraints?.map(
      (each) => each.labelSelector,
    ),
  ).toEqual([merged, { matchExpressions: [exists, ...merged.matchExpressions] }, undefined]);
});

test('a key that its selector has too is refused in upstream’s words', () => {
  const selectsItself = { ...keyed, labelSelector: { matchLabels: { version: '2' } } };
  const spec = { topologySpreadConstraints: [{ ...selectsItself, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }] };
  expect(Pod.validate(created(spec)).map(({ field, message }) => `${field}: ${message}`)).toEqual([
    'spec.topologySpreadConstraints[0][0]: Invalid value: "version": exists in both matchLabelKeys and labelSelector',
  ]);
});

test('a pod that names no keys is left as it is', () => {
  const { matchLabelKeys: _, ...plain } = keyed;
  const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [plain] } };
  expect(created({ affinity }).spec.affinity).toEqual(affinity);
});
