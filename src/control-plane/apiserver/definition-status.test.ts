import { expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import { statusOf, terminating } from './definition-status.ts';

const definition = (names: object = {}, status?: object) =>
  ({
    spec: {
      group: 'g.io',
      names: { plural: 'foos', singular: 'foo', kind: 'Foo', listKind: 'FooList', ...names },
      versions: [{ name: 'v1', schema: { openAPIV3Schema: { type: 'object' } } }],
    },
    status,
  }) as unknown as CustomResourceDefinition;
const good = (names: object = {}) => ({ names: definition(names).spec.names, conflict: undefined });

test('good names are accepted and established', () => {
  const status = statusOf(definition(), good(), 0);
  expect(status.acceptedNames?.plural).toBe('foos');
  expect(status.conditions).toMatchObject([
    { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    { type: 'Established', status: 'True', lastTransitionTime: '1970-01-01T00:00:00Z' },
  ]);
});

test('saying the same again changes no time', () => {
  const before = statusOf(definition(), good(), 0);
  expect(statusOf(definition({}, before), good(), 60_000)).toEqual(before);
});

test('a schema from before schemas were judged is told about until it is mended', () => {
  const { spec } = definition();
  const [version] = spec.versions;
  const old = { spec: { ...spec, versions: [{ ...version, schema: { openAPIV3Schema: {} } }] } };
  const status = statusOf(old as unknown as CustomResourceDefinition, good(), 0);
  expect(status.conditions?.at(-1)).toMatchObject({
    type: 'NonStructuralSchema',
    status: 'True',
    reason: 'Violations',
    message: 'spec.versions[0].schema.openAPIV3Schema.type: Required value: must not be empty at the root',
  });
  expect(statusOf(definition({}, status), good(), 0).conditions).toHaveLength(2);
});

test('what was established stays so when its new names are not accepted', () => {
  const before = statusOf(definition(), good(), 0);
  const after = statusOf(
    definition({ singular: 'bar' }, before),
    { ...good(), conflict: { reason: 'SingularConflict', message: 'm' } },
    1000,
  );
  expect(after.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual([
    'NamesAccepted False',
    'Established True',
  ]);
  expect(after.acceptedNames?.plural).toBe('foos');
});

test('a definition that goes says how far it is', () => {
  const { conditions } = terminating(definition(), 'InstanceDeletionInProgress', { nowMs: 0 });
  expect(conditions).toMatchObject([{ type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress' }]);
});

const approved = (annotation?: string) => {
  const { spec } = definition();
  const annotations = annotation === undefined ? {} : { 'api-approved.kubernetes.io': annotation };
  return {
    metadata: { annotations },
    spec: { ...spec, group: 'example.k8s.io' },
  } as unknown as CustomResourceDefinition;
};
const NEEDED = 'protected groups must have approval annotation "api-approved.kubernetes.io"';
const WHERE = 'see https://github.com/kubernetes/enhancements/pull/1111';

test.each([
  [undefined, 'False', 'MissingAnnotation', `${NEEDED}, ${WHERE}`],
  ['https://example.com/pull/1', 'True', 'ApprovedAnnotation', 'approved in https://example.com/pull/1'],
  ['unapproved, a test', 'False', 'UnapprovedAnnotation', 'not approved: "unapproved, a test"'],
  [
    'why not',
    'False',
    'InvalidAnnotation',
    `${NEEDED} with either a URL or a reason starting with "unapproved", ${WHERE}`,
  ],
])('in a group of Kubernetes itself the annotation %j is told of', (annotation, status, reason, message) => {
  expect(statusOf(approved(annotation), good(), 0).conditions?.at(-1)).toMatchObject({
    type: 'KubernetesAPIApprovalPolicyConformant',
    status,
    reason,
    message,
  });
});

test('whose conversion has an authority that nobody can read is not established until it is mended', () => {
  const { spec } = definition();
  const bundled = (caBundle: string) =>
    ({
      spec: { ...spec, conversion: { strategy: 'Webhook', webhook: { clientConfig: { caBundle } } } },
    }) as unknown as CustomResourceDefinition;
  const established = (caBundle: string) => statusOf(bundled(caBundle), good(), 0).conditions?.[1];
  expect(established('bm9uZQ==')).toMatchObject({
    type: 'Established',
    status: 'False',
    reason: 'InvalidCABundle',
    message: 'The conversion webhook CABundle is invalid',
  });
  expect(established('')).toMatchObject({ status: 'True', reason: 'InitialNamesAccepted' });
});
