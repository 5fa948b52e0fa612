import { describe, expect, test } from 'vitest';
import type { SubjectAccessReviewSpec } from '#api/generated/schema.ts';
import type { Program } from '#api/machinery/cel/program.ts';
import { compileMatchCondition } from './compile-match-condition.ts';
import { matchReview } from './match-conditions.ts';

const compiled = (source: string): Program => {
  const program = compileMatchCondition(source);
  if ('problem' in program) throw new Error(program.problem);
  return program;
};
const match = (sources: string[], spec: SubjectAccessReviewSpec) => matchReview(sources.map(compiled), spec);

const pods: SubjectAccessReviewSpec = {
  user: 'jane',
  groups: ['dev'],
  resourceAttributes: {
    namespace: 'a',
    verb: 'list',
    resource: 'pods',
    fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['one'] }] },
  },
};
const metrics: SubjectAccessReviewSpec = { user: 'jane', nonResourceAttributes: { path: '/metrics', verb: 'get' } };

describe('conditions on a review', () => {
  test.each<[string[], SubjectAccessReviewSpec, object]>([
    [[], pods, { matches: true }],
    [["request.user == 'jane'"], pods, { matches: true }],
    [["request.user == 'jane'", "'ops' in request.groups"], pods, { matches: false }],
    [['has(request.resourceAttributes)'], metrics, { matches: false }],
    [
      ["request.resourceAttributes.namespace == ''"],
      { ...pods, resourceAttributes: { verb: 'get' } },
      { matches: true },
    ],
    [["request.uid == '' && size(request.extra) == 0"], pods, { matches: true }],
    [
      [
        "request.resourceAttributes.fieldSelector.requirements.exists(r, r.key == 'spec.nodeName' && 'one' in r.values)",
      ],
      pods,
      { matches: true },
    ],
    [
      ["request.resourceAttributes.verb == 'get'"],
      metrics,
      {
        error:
          "cel evaluation error: expression 'request.resourceAttributes.verb == 'get'' resulted in error: no such key: resourceAttributes",
      },
    ],
    [["request.resourceAttributes.verb == 'get'", 'false'], metrics, { matches: false }],
  ])('%j', (conditions, spec, outcome) => {
    expect(match(conditions, spec)).toEqual(outcome);
  });

  test.each([
    ['request.user', 'must evaluate to bool but got string'],
    ['request.nothing == 1', 'compilation failed: ERROR: <input>:1:8: undefined field'],
    ['user ==', 'compilation failed: ERROR: <input>:1:8: Syntax error'],
  ])('%s is refused', (source, problem) => {
    expect(compileMatchCondition(source)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
