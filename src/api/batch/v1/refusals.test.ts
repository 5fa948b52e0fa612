import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'Job',
    'several at once',
    {
      spec: {
        template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } },
        parallelism: -1,
        completions: -1,
        backoffLimit: -1,
        activeDeadlineSeconds: -1,
        ttlSecondsAfterFinished: -1,
        completionMode: 'Any',
      },
    },
    [
      'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
      'spec.completions: Invalid value: -1: must be greater than or equal to 0',
      'spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0',
      'spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0',
      'spec.completionMode: Unsupported value: "Any": supported values: "NonIndexed", "Indexed"',
    ],
  ],
  [
    'Job',
    'a policy for each index without indexes',
    {
      spec: {
        template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } },
        backoffLimitPerIndex: 1,
        maxFailedIndexes: 2,
      },
    },
    [
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
      'spec.maxFailedIndexes: Invalid value: 2: requires indexed completion mode',
    ],
  ],
  [
    'Job',
    'a template that goes on',
    { spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Always' } } } },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    'Job',
    'a bad failure policy',
    {
      spec: {
        template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } },
        podFailurePolicy: {
          rules: [{ action: 'Never' }, { action: 'FailJob', onExitCodes: { operator: 'In', values: [0] } }],
        },
      },
    },
    [
      'spec.podFailurePolicy.rules[0].action: Unsupported value: "Never": supported values: "Count", "FailIndex", "FailJob", "Ignore"',
      'spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required',
      'spec.podFailurePolicy.rules[1].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator',
    ],
  ],
  [
    'CronJob',
    'a bad schedule and zone',
    {
      spec: {
        schedule: '* * *',
        timeZone: 'Nowhere/Land',
        concurrencyPolicy: 'Maybe',
        startingDeadlineSeconds: -1,
        successfulJobsHistoryLimit: -1,
        jobTemplate: {
          spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } } },
        },
      },
    },
    [
      'spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]',
      'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.timeZone: Invalid value: "Nowhere/Land": unknown time zone Nowhere/Land',
      'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
      'spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    'CronJob',
    'an offset in place of a zone',
    {
      spec: {
        schedule: '* * * * *',
        timeZone: '+05:30',
        jobTemplate: {
          spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } } },
        },
      },
    },
    ['spec.timeZone: Invalid value: "+05:30": unknown time zone +05:30'],
  ],
  [
    'CronJob',
    'nothing',
    {
      spec: {
        jobTemplate: {
          spec: { template: { spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Never' } } },
        },
      },
    },
    ['spec.schedule: Required value'],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('batch/v1', kind, content)).toEqual(refusals);
});
