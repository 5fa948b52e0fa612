import { expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { environment } from './environment.ts';
import { builtInType } from './facts-type.ts';
import { formatIssues } from './issue.ts';

const object = builtInType(facts, 'apps.v1.Deployment')!;
const env = environment({ variables: { object } });

test('the fields of a built-in kind have the types that its tables say', () => {
  const { program } = env.compile(
    'object.spec.replicas < 5 && object.spec.template.spec.containers.all(c, c.image.startsWith("a"))',
  );
  const containers = [{ image: 'a' }];
  expect(program!.evaluate({ object: { spec: { replicas: 3, template: { spec: { containers } } } } })).toMatchObject({
    value: true,
  });
});

test('what a kind has not is said', () => {
  expect(formatIssues(env.compile('object.spec.replica == 1').issues ?? [])).toContain("undefined field 'replica'");
  expect(formatIssues(env.compile('object.spec.replicas == "1"').issues ?? [])).toContain(
    "found no matching overload for '_==_' applied to '(int, string)'",
  );
});

test('times are timestamps, quantities and int-or-strings dyn', () => {
  const { program } = env.compile(
    'object.metadata.creationTimestamp < timestamp("2030-01-01T00:00:00Z") && object.spec.strategy.rollingUpdate.maxSurge == "25%"',
  );
  const self = {
    metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { strategy: { rollingUpdate: { maxSurge: '25%' } } },
  };
  expect(program!.evaluate({ object: self })).toMatchObject({ value: true });
});

test('a kind that the tables do not have has no type', () => {
  expect(builtInType(facts, 'apps.v1.Nothing')).toBeUndefined();
});
