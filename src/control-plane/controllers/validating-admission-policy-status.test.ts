import { expect, test } from 'vitest';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/v1/validating-admission-policy.ts';
import { startCluster } from '#testing/cluster.ts';
import { validatingAdmissionPolicyStatus } from './validating-admission-policy-status.ts';

const policy = (name: string, spec: object) =>
  ({
    metadata: { name },
    spec: {
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['apps'],
            apiVersions: ['v1'],
            operations: ['*'],
            resources: ['deployments', 'statefulsets', 'deployments/scale'],
          },
        ],
      },
      ...spec,
    },
  }) as never;
const validations = (...expressions: string[]) => ({ validations: expressions.map((expression) => ({ expression })) });

async function statusOf(spec: object) {
  await using cluster = await startCluster({ controllers: [validatingAdmissionPolicyStatus] });
  await cluster.create(ValidatingAdmissionPolicy, policy('p', spec));
  await cluster.settles();
  return cluster.get(ValidatingAdmissionPolicy, 'p')?.status;
}

test('a policy whose expressions fit is told so', async () => {
  expect(await statusOf(validations('object.spec.replicas < 5', 'object.metadata.labels["a"] == "b"'))).toEqual({
    observedGeneration: 1,
    typeChecking: {},
  });
});

test('what would not fit is told for each type, where it stands', async () => {
  const spec = {
    validations: [
      { expression: 'object.spec.replicas > "1"' },
      { expression: 'object.spec.serviceName == ""', messageExpression: '"a" + object.spec.nope' },
    ],
  };
  const status = await statusOf(spec);
  expect(status?.typeChecking?.expressionWarnings).toEqual([
    {
      fieldRef: 'spec.validations[0].expression',
      warning:
        `apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > "1"\n | .....................^\n` +
        `\napps/v1, Kind=StatefulSet: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > "1"\n | .....................^\n`,
    },
    {
      fieldRef: 'spec.validations[1].expression',
      warning: `apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'serviceName'\n | object.spec.serviceName == ""\n | ...........^\n`,
    },
    {
      fieldRef: 'spec.validations[1].messageExpression',
      warning: expect.stringContaining(`apps/v1, Kind=StatefulSet: ERROR: <input>:1:18: undefined field 'nope'`),
    },
  ]);
});

test('the types of variables and of params are looked at too', async () => {
  const status = await statusOf({
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    variables: [{ name: 'replicas', expression: 'object.spec.replicas' }],
    ...validations('variables.replicas == params.data.max', 'params.nope == 1'),
  });
  expect(status?.typeChecking?.expressionWarnings?.map(({ fieldRef }) => fieldRef)).toEqual([
    'spec.validations[0].expression',
    'spec.validations[1].expression',
  ]);
});
