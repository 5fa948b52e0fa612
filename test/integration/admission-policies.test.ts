/** ValidatingAdmissionPolicies over HTTP, with stock kubectl: what they refuse, warn of and note, and what happens to those that are no good. */
import { describe, expect, test } from 'vitest';
import { binding, deployment, policy, REFUSED, usePolicyBed, validation } from './admission-policy-bed.ts';

const bed = usePolicyBed();
const { create, kubectl, put } = bed;

describe('a validating policy', () => {
  test('ValidatingAdmissionPolicy should validate against a Deployment', async () => {
    await put(policy(validation('object.spec.replicas > 1', { message: 'wants to be available' })), binding());
    await expect(create(deployment('few', 1))).rejects.toThrow(
      `The deployments "few" is invalid: : ${REFUSED} wants to be available`,
    );
    await create(deployment('many', 2));
    await expect(kubectl('scale', 'deployment/many', '--replicas=1')).resolves.toContain('scaled');
    await expect(kubectl('patch', 'deployment', 'many', '-p', '{"spec":{"paused":true}}')).rejects.toThrow(REFUSED);
  });

  test('ValidatingAdmissionPolicy should allow expressions to refer variables.', async () => {
    await put(
      policy({
        variables: [
          { name: 'replicas', expression: 'object.spec.replicas' },
          { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
        ],
        ...validation('variables.replicas > 1', { messageExpression: "'found only ' + string(variables.replicas)" }),
        auditAnnotations: [{ key: 'odd', valueExpression: "variables.oddReplicas ? 'yes' : ''" }],
      }),
      binding({ validationActions: ['Deny', 'Audit'] }),
    );
    bed.events.length = 0;
    await expect(create(deployment('few', 1))).rejects.toThrow(`${REFUSED} found only 1`);
    const [event] = bed.events.filter(
      ({ stage, objectRef }) => stage === 'ResponseComplete' && objectRef?.resource === 'deployments',
    );
    expect(event?.annotations).toMatchObject({
      'limits.example.com/odd': 'yes',
      'validation.policy.admission.k8s.io/validation_failure': JSON.stringify([
        {
          message: 'found only 1',
          policy: 'limits.example.com',
          binding: 'limits-here.example.com',
          expressionIndex: 0,
          validationActions: ['Deny', 'Audit'],
        },
      ]),
    });
    await create(deployment('many', 2));
  });

  test('warns, and lets pass', async () => {
    await put(policy(validation('object.spec.replicas > 1')), binding({ validationActions: ['Warn'] }));
    const { stderr } = await create(deployment('few', 1));
    expect(stderr).toContain(
      `Warning: Validation failed for ValidatingAdmissionPolicy 'limits.example.com' with binding 'limits-here.example.com': failed expression: object.spec.replicas > 1`,
    );
  });

  test.each([
    ['Forbidden', 403, 'Forbidden'],
    ['RequestEntityTooLarge', 413, 'RequestEntityTooLarge'],
    [undefined, 422, 'Invalid'],
  ])('whose reason is %s answers %i', async (reason, code, said) => {
    await put(policy(validation('false', { ...(reason && { reason }), message: 'no' })), binding());
    const transport = bed.server.transportFor({ name: 'admin', groups: ['system:masters'] });
    const asked = transport.request({
      method: 'POST',
      path: '/apis/apps/v1/namespaces/default/deployments',
      object: deployment('x', 1),
    });
    await expect(asked).rejects.toMatchObject({
      code,
      reason: said,
      message: `deployments.apps "x" is forbidden: ${REFUSED} no`,
      details: { causes: [{ message: `${REFUSED} no` }] },
    });
  });

  test('sees who asks, what was there, where, and what else they may', async () => {
    await put(
      policy({
        matchConditions: [{ name: 'not-nodes', expression: "!request.userInfo.groups.exists(g, g == 'system:nodes')" }],
        validations: [
          { expression: "namespaceObject.metadata.labels['team'] == 'red'" },
          {
            expression: 'oldObject == null || oldObject.metadata.labels.app == object.metadata.labels.app',
            message: 'app stays',
          },
          {
            expression: "authorizer.group('').resource('secrets').namespace(request.namespace).check('get').allowed()",
            message: 'no secrets for you',
          },
        ],
      }),
      binding(),
    );
    await create(deployment('x', 1));
    await expect(kubectl('label', 'deployment', 'x', 'app=y', '--overwrite')).rejects.toThrow(`${REFUSED} app stays`);
    await kubectl('create', 'rolebinding', 'jane-edits', '--clusterrole=edit', '--user=jane', '-n', 'default');
    await kubectl('create', 'role', 'deployer', '--verb=create', '--resource=deployments.apps', '-n', 'default');
    await kubectl('create', 'rolebinding', 'bob-deploys', '--role=deployer', '--user=bob', '-n', 'default');
    const as = (user: string) => create(deployment(`of-${user}`, 1), '--validate=false', `--as=${user}`);
    await as('jane');
    await expect(as('bob')).rejects.toThrow(`${REFUSED} no secrets for you`);
  });

  test('takes its limits from a custom resource', async () => {
    await create({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'replicalimits.rules.example.com' },
      spec: {
        group: 'rules.example.com',
        scope: 'Namespaced',
        names: { plural: 'replicalimits', kind: 'ReplicaLimit' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', properties: { maxReplicas: { type: 'integer' } } } },
          },
        ],
      },
    });
    await kubectl('wait', '--for=condition=Established', 'crd/replicalimits.rules.example.com', '--timeout=90s');
    await create({
      apiVersion: 'rules.example.com/v1',
      kind: 'ReplicaLimit',
      metadata: { name: 'low' },
      maxReplicas: 3,
    });
    await put(
      policy({
        paramKind: { apiVersion: 'rules.example.com/v1', kind: 'ReplicaLimit' },
        ...validation('object.spec.replicas <= params.maxReplicas', {
          messageExpression: "'at most ' + string(params.maxReplicas)",
        }),
      }),
      binding({ paramRef: { name: 'low', parameterNotFoundAction: 'Deny' } }),
    );
    await create(deployment('three', 3));
    await expect(create(deployment('four', 4))).rejects.toThrow(`${REFUSED} at most 3`);
    await kubectl('delete', 'replicalimit', 'low');
    await expect
      .poll(() => create(deployment('two', 2), '--dry-run=server').catch(String))
      .toContain(
        `${REFUSED} failed to configure binding: no params found for policy binding with \`Deny\` parameterNotFoundAction`,
      );
  });

  test('that nobody may give params to that they cannot read', async () => {
    await kubectl(
      'create',
      'clusterrole',
      'policy-author',
      '--verb=create',
      '--resource=validatingadmissionpolicies,validatingadmissionpolicybindings',
    );
    await kubectl('create', 'clusterrolebinding', 'ann-writes-policies', '--clusterrole=policy-author', '--user=ann');
    const withParams = policy({ paramKind: { apiVersion: 'v1', kind: 'Secret' }, ...validation('params != null') });
    await expect(create(withParams, '--validate=false', '--as=ann')).rejects.toThrow(
      'spec.paramKind: Forbidden: user &{ann  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)',
    );
    await create(withParams);
    const ref = binding({ paramRef: { name: 'key', namespace: 'kube-system', parameterNotFoundAction: 'Deny' } });
    await expect(create(ref, '--validate=false', '--as=ann')).rejects.toThrow(
      'spec.paramRef: Forbidden: user &{ann  [system:authenticated] map[]} does not have "get" permission on the object referenced by paramRef',
    );
  });

  test('is counted', async () => {
    await put(policy(validation('object.spec.replicas > 1')), binding());
    await create(deployment('few', 1)).catch(String);
    const metrics = await kubectl('get', '--raw', '/metrics');
    expect(metrics).toMatch(
      /apiserver_validating_admission_policy_check_total\{policy="limits.example.com",policy_binding="limits-here.example.com",error_type="invalid_error",enforcement_action="deny"\} \d/,
    );
    expect(metrics).toContain('apiserver_validating_admission_policy_check_duration_seconds_bucket{');
  });

  test('that does not compile is refused', async () => {
    await expect(create(policy(validation('object.spec.replicas >')))).rejects.toThrow(
      /The ValidatingAdmissionPolicy "limits.example.com" is invalid: spec.validations\[0\].expression: Invalid value: "object.spec.replicas >": compilation failed: ERROR: <input>:1:23: Syntax error: mismatched input '<EOF>' expecting/,
    );
    await expect(create(policy(validation("'a' + object")))).rejects.toThrow('must evaluate to bool but got');
  });

  test('that costs too much is stopped, and the server goes on', async () => {
    const expensive =
      'object.spec.template.spec.containers.all(a, [1,2,3,4,5,6,7,8,9].all(x, [1,2,3,4,5,6,7,8,9].all(y, [1,2,3,4,5,6,7,8,9].all(z, [1,2,3,4,5,6,7,8,9].all(u, [1,2,3,4,5,6,7,8,9].all(v, [1,2,3,4,5,6,7,8,9].all(w, x+y+z+u+v+w > 0)))))))';
    await put(policy(validation(expensive)), binding());
    await expect(create(deployment('x', 1))).rejects.toThrow(
      `resulted in error: operation cancelled: actual cost limit exceeded`,
    );
    await kubectl('get', 'namespaces');
  });
});
