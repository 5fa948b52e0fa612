import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'PriorityClass',
    'value and policy',
    { value: 2000000000, preemptionPolicy: 'Some' },
    [
      'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
      'preemptionPolicy: Unsupported value: "Some": supported values: "PreemptLowerPriority", "Never"',
    ],
  ],
  [
    'PriorityClass',
    'a reserved name',
    { metadata: { name: 'system-mine' }, value: 1 },
    [
      `metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class`,
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('scheduling.k8s.io/v1', kind, content)).toEqual(refusals);
});
