/** MutatingAdmissionPolicies over HTTP, with stock kubectl: what they change and refuse; and both sorts of policies as objects. */
import { describe, expect, test } from 'vitest';
import {
  binding,
  deployment,
  mutation,
  mutationBinding,
  policy,
  usePolicyBed,
  validation,
} from './admission-policy-bed.ts';

const bed = usePolicyBed();
const { create, kubectl, put } = bed;

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
    await bed.server.kubectl(['replace', '-f', '-'], JSON.stringify(writes('Object{args: ["x"]}')));
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
