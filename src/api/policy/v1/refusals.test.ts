import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'PodDisruptionBudget',
    'both counts, below zero',
    { spec: { minAvailable: -1, maxUnavailable: '200%', unhealthyPodEvictionPolicy: 'Never' } },
    [
      'spec: Invalid value: {"MinAvailable":-1,"Selector":null,"MaxUnavailable":"200%","UnhealthyPodEvictionPolicy":"Never"}: minAvailable and maxUnavailable cannot be both set',
      'spec.minAvailable: Invalid value: -1: must be greater than or equal to 0',
      'spec.maxUnavailable: Invalid value: "200%": must not be greater than 100%',
      'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"',
    ],
  ],
  [
    'PodDisruptionBudget',
    'a bad selector',
    { spec: { minAvailable: 1, selector: { matchLabels: { 'a b': 'x' } } } },
    [
      `spec.selector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('policy/v1', kind, content)).toEqual(refusals);
});
