import { describe, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Node } from '#api/core/v1/node.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { anything, bound, cluster, configMap, deployment, policy, validating } from '#testing/policy-fixture.ts';

describe('a validating policy', () => {
  test('that nobody has bound does nothing', async () => {
    const { admit } = cluster([policy(validating('false'))]);
    await expect(admit(Deployment, deployment(1))).resolves.toBeDefined();
  });

  test('refuses what does not hold, with the text and the code that clients know', async () => {
    const { admit } = bound(validating('object.spec.replicas <= 5'));
    await admit(Deployment, deployment(5));
    await expect(admit(Deployment, deployment(6))).rejects.toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: `deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas <= 5`,
      details: {
        name: 'd',
        group: 'apps',
        kind: 'deployments',
        causes: [
          {
            message: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas <= 5`,
          },
        ],
      },
    });
  });

  test.each<[string, object, object]>([
    ['its message', { message: ' no more ' }, { code: 422, message: expect.stringMatching(/: no more$/) }],
    [
      'what its message makes of it',
      { message: 'm', messageExpression: '"not " + string(object.spec.replicas)' },
      { message: expect.stringMatching(/: not 6$/) },
    ],
    [
      'its message where the other fails',
      { message: 'm', messageExpression: 'object.nope' },
      { message: expect.stringMatching(/: m$/) },
    ],
    [
      'its message where the other is too long',
      { message: 'm', messageExpression: '["0123456789"].map(x, x.replace("0", "0000000000")).join("") + "x\\ny"' },
      { message: expect.stringMatching(/: m$/) },
    ],
    ['its reason', { reason: 'Forbidden' }, { code: 403, reason: 'Forbidden' }],
    ['that nobody is let', { reason: 'Unauthorized' }, { code: 401, reason: 'Unauthorized' }],
    ['another reason', { reason: 'RequestEntityTooLarge' }, { code: 413, reason: 'RequestEntityTooLarge' }],
  ])('tells %s', async (_, more, expected) => {
    const { admit } = bound({ validations: [{ expression: 'object.spec.replicas <= 5', ...more }] });
    await expect(admit(Deployment, deployment(6))).rejects.toMatchObject(expected);
  });

  test.each<[string, string]>([
    ['the old object', 'oldObject == null'],
    ['the request', 'request.operation == "CREATE" && request.userInfo.username == "alice" && request.name == "d"'],
    ['the kind', 'request.kind.kind == "Deployment" && request.resource.resource == "deployments"'],
    ['the namespace', 'namespaceObject.metadata.labels["team"] == "red"'],
    ['the authorizer', 'authorizer.requestResource.check("create").allowed()'],
    ['other rights', '!authorizer.group("apps").resource("deployments").namespace("b").check("delete").allowed()'],
  ])('sees %s', async (_, expression) => {
    const { admit } = bound(validating(expression));
    await expect(admit(Deployment, deployment(1))).resolves.toBeDefined();
  });

  test('sees no namespace of what is in none, nor an object that goes', async () => {
    const { admit } = bound(validating('namespaceObject == null', 'object == null', 'oldObject != null'));
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } } as KubeObject;
    const gone = admit(Node, node, { verb: 'delete', object: undefined, old: node });
    await expect(gone).resolves.toBeDefined();
  });

  test('asks the authorizer once, however many expressions ask the same', async () => {
    const { admit, asked } = bound(
      validating(
        'authorizer.requestResource.check("create").allowed()',
        'authorizer.requestResource.check("create").reason() == "because"',
      ),
    );
    await admit(Deployment, deployment(1));
    expect(asked).toEqual([expect.objectContaining({ verb: 'create', resource: 'deployments', name: 'd' })]);
  });

  test('uses variables, each evaluated when it is asked for', async () => {
    const { admit } = bound({
      variables: [
        { name: 'limit', expression: '5' },
        { name: 'ok', expression: 'object.spec.replicas <= variables.limit' },
        { name: 'never', expression: 'object.nope.nope' },
      ],
      ...validating('variables.ok'),
    });
    await admit(Deployment, deployment(5));
    await expect(admit(Deployment, deployment(6))).rejects.toThrow('failed expression: variables.ok');
  });

  test('that fails refuses, or is passed over', async () => {
    const failing = validating('object.nope == 1');
    await expect(bound(failing).admit(Deployment, deployment(1))).rejects.toMatchObject({
      code: 422,
      message: expect.stringContaining(
        `denied request: expression 'object.nope == 1' resulted in error: no such key: nope`,
      ),
    });
    const passed = bound({ ...failing, failurePolicy: 'Ignore' });
    await expect(passed.admit(Deployment, deployment(1))).resolves.toBeDefined();
    expect([...passed.checks.validating]).toMatchObject([
      { policy: 'p', binding: 'b', errorType: 'invalid_error', action: 'allow' },
    ]);
  });

  test('looks only where its conditions hold', async () => {
    const conditioned = (expression: string) => ({
      ...validating('false'),
      matchConditions: [{ name: 'c', expression }],
    });
    await expect(
      bound(conditioned('object.spec.replicas > 1')).admit(Deployment, deployment(1)),
    ).resolves.toBeDefined();
    await expect(bound(conditioned('object.spec.replicas > 1')).admit(Deployment, deployment(2))).rejects.toThrow(
      'failed expression: false',
    );
    await expect(bound(conditioned('object.nope == 1')).admit(Deployment, deployment(2))).rejects.toThrow(
      `expression 'object.nope == 1' resulted in error: no such key: nope`,
    );
  });

  test('warns', async () => {
    const { admit } = bound(validating('object.spec.replicas <= 5'), { validationActions: ['Warn', 'Audit'] });
    const { warnings, annotations } = await admit(Deployment, deployment(6));
    expect(warnings).toEqual([
      `Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed expression: object.spec.replicas <= 5`,
    ]);
    expect(JSON.parse(annotations['validation.policy.admission.k8s.io/validation_failure']!)).toEqual([
      {
        message: 'failed expression: object.spec.replicas <= 5',
        policy: 'p',
        binding: 'b',
        expressionIndex: 0,
        validationActions: ['Warn', 'Audit'],
      },
    ]);
  });

  test('annotates the audit event', async () => {
    const annotating = (valueExpression: string, more: object = {}) =>
      bound({ auditAnnotations: [{ key: 'k', valueExpression }], ...more }).admit(Deployment, deployment(3));
    expect((await annotating('"has " + string(object.spec.replicas)')).annotations).toEqual({ 'p/k': 'has 3' });
    expect((await annotating('null')).annotations).toEqual({});
    await expect(annotating('object.nope')).rejects.toThrow('must evaluate to one of');
    await expect(annotating('string(object.nope)')).rejects.toThrow(
      `denied request: expression 'string(object.nope)' resulted in error: no such key: nope`,
    );
    expect((await annotating('string(object.nope)', { failurePolicy: 'Ignore' })).annotations).toEqual({});
  });

  test('that costs too much refuses, and others have their turns meanwhile', async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const { admit } = bound(
      validating(...Array.from({ length: 30 }, () => 'object.list.all(a, object.list.all(b, a + b >= 0))')),
    );
    const list = Array.from({ length: 350 }, (_, i) => i);
    await expect(admit(Deployment, { ...deployment(1), list })).rejects.toMatchObject({
      code: 422,
      message: expect.stringContaining(
        'validation failed due to running out of cost budget, no further validation rules will be run',
      ),
    });
    clearInterval(counting);
    expect(turns).toBeGreaterThan(5);
  });

  test('never judges policies', async () => {
    const { admit } = bound(validating('false'));
    const { ValidatingAdmissionPolicy } = await import('#api/admissionregistration/v1/validating-admission-policy.ts');
    await expect(admit(ValidatingAdmissionPolicy, policy(validating('true'), 'q'))).resolves.toBeDefined();
  });
});

describe('a policy matches', () => {
  const rule = (more: object) => ({ matchConstraints: { resourceRules: [{ ...anything, ...more }] } });
  test.each<[string, object, object, boolean]>([
    ['by resource', rule({ resources: ['pods'] }), {}, false],
    ['by name', rule({ resourceNames: ['d'] }), {}, true],
    ['another name', rule({ resourceNames: ['e'] }), {}, false],
    [
      'not what is excluded',
      {
        matchConstraints: {
          resourceRules: [anything],
          excludeResourceRules: [{ ...anything, resources: ['deployments'] }],
        },
      },
      {},
      false,
    ],
    [
      'by namespace',
      { matchConstraints: { resourceRules: [anything], namespaceSelector: { matchLabels: { team: 'blue' } } } },
      {},
      false,
    ],
    [
      'by label',
      { matchConstraints: { resourceRules: [anything], objectSelector: { matchLabels: { x: 'y' } } } },
      {},
      false,
    ],
    ['where its binding does', {}, { matchResources: { namespaceSelector: { matchLabels: { team: 'red' } } } }, true],
    [
      'not where its binding does not',
      {},
      { matchResources: { resourceRules: [{ ...anything, operations: ['DELETE'] }] } },
      false,
    ],
  ])('%s', async (_, spec, bindingSpec, isRefused) => {
    const { admit } = bound({ ...validating('false'), ...spec }, bindingSpec);
    const admitted = admit(Deployment, deployment(1));
    await (isRefused ? expect(admitted).rejects.toThrow('denied request') : expect(admitted).resolves.toBeDefined());
  });

  test('another version of the kind, and sees the object as that', async () => {
    const { HorizontalPodAutoscaler } = await import('#api/autoscaling/v2/horizontal-pod-autoscaler.ts');
    const resourceRules = [{ ...anything, apiGroups: ['autoscaling'], apiVersions: ['v1'] }];
    const { admit } = bound({
      matchConstraints: { resourceRules },
      ...validating(
        'request.kind.version == "v1" && request.requestKind.version == "v2" && object.apiVersion == "autoscaling/v1"',
      ),
    });
    const object = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'h', namespace: 'a' },
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3 },
    };
    await expect(admit(HorizontalPodAutoscaler, object)).resolves.toBeDefined();
  });
});

describe('params', () => {
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
  const limited = { paramKind, ...validating('params == null || object.spec.replicas <= int(params.data.max)') };
  const ref = (more: object) => ({ paramRef: { parameterNotFoundAction: 'Deny', ...more } });
  const five = configMap('five', { max: '5' }, { labels: { limit: 'yes' } });
  const three = configMap('three', { max: '3' }, { labels: { limit: 'yes' } });

  test('are one object by its name, in the namespace of the request', async () => {
    const { admit } = bound(limited, ref({ name: 'five' }), [five, three]);
    await admit(Deployment, deployment(5));
    await expect(admit(Deployment, deployment(6))).rejects.toThrow('denied request: failed expression');
  });

  test('are many by their labels: all must hold', async () => {
    const { admit } = bound(limited, ref({ selector: { matchLabels: { limit: 'yes' } } }), [five, three]);
    await expect(admit(Deployment, deployment(4))).rejects.toThrow('denied request: failed expression');
    await admit(Deployment, deployment(3));
  });

  test.each<[string, object, Kind, string | undefined]>([
    [
      'that are missing refuse',
      ref({ name: 'none' }),
      Deployment,
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    ],
    ['that may be missing', ref({ name: 'none', parameterNotFoundAction: 'Allow' }), Deployment, undefined],
    ['that the binding does not name are null', {}, Deployment, undefined],
    [
      'of a namespace, for what is in none',
      ref({ name: 'five' }),
      Node,
      'failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    ],
    ['of a namespace that is named, for what is in none', ref({ name: 'five', namespace: 'a' }), Node, undefined],
  ])('%s', async (_, bindingSpec, kind, problem) => {
    const { admit } = bound(limited, bindingSpec, [five]);
    const object =
      kind === Node
        ? { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec: { replicas: 1 } }
        : deployment(1);
    const admitted = admit(kind, object);
    await (problem ? expect(admitted).rejects.toThrow(problem) : expect(admitted).resolves.toBeDefined());
  });

  test('of a kind that is not served refuse', async () => {
    const unknown = { ...limited, paramKind: { apiVersion: 'rules.example.com/v1', kind: 'Limit' } };
    await expect(bound(unknown).admit(Deployment, deployment(1))).rejects.toThrow(
      `ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=Limit'`,
    );
    const passed = bound({ ...unknown, failurePolicy: 'Ignore' });
    await expect(passed.admit(Deployment, deployment(1))).resolves.toBeDefined();
  });

  test('of the cluster have no namespace', async () => {
    const cluster = { ...limited, paramKind: { apiVersion: 'v1', kind: 'Node' } };
    await expect(bound(cluster, ref({ name: 'n', namespace: 'a' })).admit(Deployment, deployment(1))).rejects.toThrow(
      'failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`',
    );
  });
});
