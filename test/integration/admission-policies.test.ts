/**
 * Admission policies over HTTP, with stock kubectl: what they refuse, warn of, note and change, and what happens to policies
 * that are no good themselves.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import type { AuditEvent } from '#control-plane/apiserver/audit/audit-event.ts';
import { Auditor } from '#control-plane/apiserver/audit/auditor.ts';
import { parsePolicy } from '#control-plane/apiserver/audit/policy.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;
const events: AuditEvent[] = [];

beforeAll(async () => {
  const auditor = new Auditor({
    policy: parsePolicy('apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  verbs: [create]\n'),
    sinks: [{ write: (event) => void events.push(event), close: async () => undefined }],
    clock: systemClock,
  });
  server = await startHttpsApiServer({ auditor });
  await kubectl('label', 'namespace', 'default', 'team=red');
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const POLICIES = ['validatingadmissionpolicies', 'mutatingadmissionpolicies'];
afterEach(async () => {
  for (const resource of POLICIES) {
    await kubectl('delete', resource.replace('policies', 'policybindings'), '--all');
    await kubectl('delete', resource, '--all');
  }
  await kubectl('delete', 'deployments,configmaps', '--all', '-n', 'default');
});

const kubectl = async (...args: string[]) => (await server.kubectl(args)).stdout;
const create = (object: object, ...flags: string[]) =>
  server.kubectl(['create', '-f', '-', ...flags], JSON.stringify(object));
const GROUP = 'admissionregistration.k8s.io/v1';
const deployments = {
  resourceRules: [
    { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] },
  ],
};
const named = (kind: string, name: string, spec: object) => ({ apiVersion: GROUP, kind, metadata: { name }, spec });
const policy = (spec: object) =>
  named('ValidatingAdmissionPolicy', 'limits.example.com', { matchConstraints: deployments, ...spec });
const binding = (spec: object = {}) =>
  named('ValidatingAdmissionPolicyBinding', 'limits-here.example.com', {
    policyName: 'limits.example.com',
    validationActions: ['Deny'],
    ...spec,
  });
const validation = (expression: string, more: object = {}) => ({ validations: [{ expression, ...more }] });
const mutation = (spec: object) =>
  named('MutatingAdmissionPolicy', 'changes.example.com', {
    matchConstraints: deployments,
    reinvocationPolicy: 'Never',
    ...spec,
  });
const mutationBinding = (spec: object = {}) =>
  named('MutatingAdmissionPolicyBinding', 'changes-here.example.com', { policyName: 'changes.example.com', ...spec });
const deployment = (name: string, replicas: number, labels: object = { app: name }) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
  },
});

/** Both, and waits until a request meets them. */
async function put(...objects: object[]) {
  for (const object of objects) await create(object);
}
const REFUSED = `ValidatingAdmissionPolicy 'limits.example.com' with binding 'limits-here.example.com' denied request:`;

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
    events.length = 0;
    await expect(create(deployment('few', 1))).rejects.toThrow(`${REFUSED} found only 1`);
    const [event] = events.filter(
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
    const transport = server.transportFor({ name: 'admin', groups: ['system:masters'] });
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

describe('a mutating policy', () => {
  const labelsOf = async (name: string) =>
    JSON.parse(await kubectl('get', 'deployment', name, '-o', 'jsonpath={.metadata.labels}')) as object;

  test('MutatingAdmissionPolicy should mutate a Deployment', async () => {
    await put(
      mutation({
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: object.spec.replicas + 100}}' },
          },
        ],
      }),
      mutationBinding(),
    );
    await create(deployment('web', 1));
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('101');
  });

  test('MutatingAdmissionPolicy should mutate a Deployment with annotations', async () => {
    const annotate = (name: string) =>
      `Object{metadata: Object.metadata{annotations: {"my-foo-annotation": "${name}"}}}`;
    await put(
      mutation({
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: annotate('myvalue') } }],
      }),
      mutationBinding(),
    );
    await create(deployment('web', 1));
    expect(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.metadata.annotations.my-foo-annotation}')).toBe(
      'myvalue',
    );
  });

  test('patches, with keys escaped, and nobody owns what it wrote', async () => {
    await put(
      mutation({
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: `[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/from"), value: object.metadata.name}]`,
            },
          },
        ],
      }),
      mutationBinding(),
    );
    await create(deployment('web', 1));
    expect(await labelsOf('web')).toEqual({ app: 'web', 'example.com/from': 'web' });
    expect(await kubectl('get', 'deployment', 'web', '-o', 'json', '--show-managed-fields')).not.toContain(
      'f:example.com/from',
    );
  });

  test('merges lists of custom kinds by the keys of their schema, and none that are one value', async () => {
    const ports = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, port: { type: 'integer' }, open: { type: 'boolean' } },
      },
    };
    const args = { type: 'array', items: { type: 'string' } };
    const schema = { type: 'object', properties: { ports, args } };
    await create({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'doors.rules.example.com' },
      spec: {
        group: 'rules.example.com',
        scope: 'Namespaced',
        names: { plural: 'doors', kind: 'Door' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    });
    await kubectl('wait', '--for=condition=Established', 'crd/doors.rules.example.com', '--timeout=90s');
    const doors = {
      apiGroups: ['rules.example.com'],
      apiVersions: ['v1'],
      operations: ['CREATE'],
      resources: ['doors'],
    };
    const writes = (expression: string) =>
      mutation({
        matchConstraints: { resourceRules: [doors] },
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
      });
    const door = {
      apiVersion: 'rules.example.com/v1',
      kind: 'Door',
      metadata: { name: 'front' },
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2 },
      ],
    };
    await put(
      writes('Object{ports: object.ports.map(p, Object.ports{name: p.name, open: p.port > 1})}'),
      mutationBinding(),
    );
    await create(door);
    expect(JSON.parse(await kubectl('get', 'door', 'front', '-o', 'jsonpath={.ports}'))).toEqual([
      { name: 'a', port: 1, open: false },
      { name: 'b', port: 2, open: true },
    ]);
    await kubectl('delete', 'door', 'front');
    await server.kubectl(['replace', '-f', '-'], JSON.stringify(writes('Object{args: ["x"]}')));
    await expect
      .poll(() => create({ ...door, args: ['y'] }, '--dry-run=server').catch(String))
      .toContain('invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .args');
  });

  test('comes before the object is judged', async () => {
    await put(
      mutation({
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: -1}}' },
          },
        ],
      }),
      mutationBinding(),
    );
    await expect(create(deployment('web', 1))).rejects.toThrow(
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    );
  });

  test('that fails refuses the request with its own words', async () => {
    await put(
      mutation({
        mutations: [
          { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/spec/none"}]' } },
        ],
      }),
      mutationBinding(),
    );
    await expect(create(deployment('web', 1))).rejects.toThrow(
      `policy 'changes.example.com' with binding 'changes-here.example.com' denied request: JSON Patch: `,
    );
  });

  test('that does not compile is refused', async () => {
    const bad = mutation({
      mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: '{"spec": 1}' } }],
    });
    await expect(create(bad)).rejects.toThrow(
      'spec.mutations[0].applyConfiguration.expression: Invalid value: "{\\"spec\\": 1}": must evaluate to Object but got map(string, int)',
    );
  });
});

describe.each([
  ['ValidatingAdmissionPolicy', 'validatingadmissionpolicies', () => policy(validation('true'))],
  ['ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings', () => binding()],
  [
    'MutatingAdmissionPolicy',
    'mutatingadmissionpolicies',
    () =>
      mutation({
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "test", path: "/x"}]' } }],
      }),
  ],
  ['MutatingAdmissionPolicyBinding', 'mutatingadmissionpolicybindings', () => mutationBinding()],
])('%s', (kind, resource, object) => {
  test(`${kind.replace('Binding', '')} should support ${kind} API operations`, async () => {
    const { metadata } = object();
    expect(await kubectl('api-resources', '--api-group=admissionregistration.k8s.io', '-o', 'name')).toContain(
      `${resource}.admissionregistration.k8s.io`,
    );
    await create(object());
    expect(await kubectl('get', resource, '-o', 'name')).toBe(
      `${kind.toLowerCase()}.admissionregistration.k8s.io/${metadata.name}\n`,
    );
    await kubectl('label', resource, metadata.name, 'e2e=yes');
    await kubectl(
      'patch',
      resource,
      metadata.name,
      '--type=merge',
      '-p',
      '{"metadata":{"annotations":{"patched":"true"}}}',
    );
    const read = JSON.parse(await kubectl('get', resource, '-l', 'e2e=yes', '-o', 'json')) as {
      items: { metadata: { annotations: object } }[];
    };
    expect(read.items.map((item) => item.metadata.annotations)).toEqual([{ patched: 'true' }]);
    await kubectl('delete', resource, '-l', 'e2e=yes');
    expect(await kubectl('get', resource, '-o', 'name')).toBe('');
  });
});
