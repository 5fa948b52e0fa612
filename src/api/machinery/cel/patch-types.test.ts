import { expect, test } from 'vitest';
import { isSameType } from './cel-type.ts';
import { declaredTypeOf, dynType, field, objectType } from './declared-type.ts';
import { environment } from './environment.ts';
import { formatIssues } from './issue.ts';
import { lazyVariables } from './lazy-variables.ts';
import { jsonPatch } from './libraries/json-patch.ts';
import { kubernetesLibraries } from './libraries/kubernetes-libraries.ts';
import { OBJECT_TYPE, patchTypes, typeNameErrors } from './patch-types.ts';
import type { Outcome, Program } from './program.ts';
import { toJson } from './to-json.ts';

const env = environment({
  variables: { object: dynType },
  types: [patchTypes],
  libraries: [...kubernetesLibraries, jsonPatch],
});

function programOf(source: string, from = env): Program {
  const { program, issues } = from.compile(source);
  if (issues) throw new Error(formatIssues(issues));
  return program;
}

const valueFrom = (outcome: Outcome) => {
  if (outcome.error !== undefined) throw new Error(outcome.error);
  return outcome.value;
};

test('an apply configuration is built from Object and its parts', () => {
  const program = programOf(
    "Object{metadata: Object.metadata{labels: {'a': 'b'}}, spec: Object.spec{replicas: object.n + 1, ?paused: optional.none()}}",
  );
  expect(isSameType(program.outputType, OBJECT_TYPE.type)).toBe(true);
  const value = valueFrom(program.evaluate({ object: { n: 1 } }));
  expect(toJson(value)).toEqual({ json: { metadata: { labels: { a: 'b' } }, spec: { replicas: 2 } } });
  expect(typeNameErrors(value)).toEqual([]);
});

test('a part must have the type of the field that it stands in', () => {
  const value = valueFrom(
    programOf('Object{spec: Object.foo{list: [Object.foo.list{}], map: {1: Object.bar{}}}}').evaluate({}),
  );
  expect(typeNameErrors(value)).toEqual([
    'unexpected type name "Object.foo", expected "Object.spec", which matches field name path from root Object type',
    'unexpected type name "Object.foo.list", expected "Object.spec.list", which matches field name path from root Object type',
    'unexpected type name "Object.bar", expected "Object.spec.map", which matches field name path from root Object type',
  ]);
});

test('a JSON patch is a list of operations', () => {
  const source =
    "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b~c'), value: {'x': [1, 2]}}]";
  expect(toJson(valueFrom(programOf(source).evaluate({})))).toEqual({
    json: [{ op: 'add', path: '/metadata/labels/a~1b~0c', value: { x: [1, 2] } }],
  });
});

test('the fields of a JSON patch have types', () => {
  expect(formatIssues(env.compile('JSONPatch{op: 1}').issues ?? [])).toContain(
    "expected type of field 'op' is 'string' but provided type is 'int'",
  );
  expect(programOf('JSONPatch{op: object}').evaluate({ object: 1 }).error).toMatch(/^unexpected type/);
});

test('without the patch types Object is not known', () => {
  const { issues } = environment().compile('Object{}');
  expect(formatIssues(issues ?? [])).toContain("undeclared reference to 'Object' (in container '')");
});

test('variables are evaluated when they are asked for, once, and may use one another', () => {
  const first = programOf('object.n * 2');
  const declare = (known: Readonly<Record<string, Program>>) =>
    env.extend({
      variables: {
        variables: objectType(
          'kubernetes.variables',
          Object.fromEntries(
            Object.entries(known).map(([name, { outputType }]) => [name, field(declaredTypeOf(outputType))]),
          ),
        ),
      },
    });
  const second = programOf('variables.first + 1', declare({ first }));
  const bad = programOf('object.nope.nope');
  const programs: Readonly<Record<string, Program>> = { first, second, bad };
  const evaluated: string[] = [];
  const variables = lazyVariables(Object.keys(programs), (name) => {
    evaluated.push(name);
    return programs[name]!.evaluate(activation);
  });
  const activation: Record<string, unknown> = { object: { n: 3 }, variables };
  const rule = programOf('variables.second + variables.second + variables.first == 20', declare(programs));
  expect(rule.evaluate(activation)).toMatchObject({ value: true });
  expect(evaluated).toEqual(['second', 'first']);
  expect(programOf('variables.bad', declare(programs)).evaluate(activation).error).toBe(
    'composited variable "bad" fails to evaluate: no such key: nope',
  );
});
