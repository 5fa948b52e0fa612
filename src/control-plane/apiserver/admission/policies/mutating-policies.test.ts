import { describe, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import {
  applying,
  binding,
  cluster,
  configMap,
  deployment,
  jsonPatch,
  mutation,
  mutationBinding,
  namespace,
  type Objects,
  policy,
  validating,
} from '#testing/policy-fixture.ts';

describe('a mutating policy', () => {
  const mutating = (spec: object, more: Objects = []) => cluster([mutation(spec), mutationBinding(), ...more]);
  const specOf = async (spec: object, object = deployment(1)) =>
    ((await mutating(spec).admit(Deployment, object)).object as unknown as ReturnType<typeof deployment>).spec;

  test('patches', async () => {
    expect((await specOf(jsonPatch('[JSONPatch{op: "replace", path: "/spec/replicas", value: 3}]'))).replicas).toBe(3);
    const labelled = 'JSONPatch{op: "add", path: "/metadata/labels", value: {"a~b": "x"}}';
    const escaped = 'JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("c/d~e"), value: "y"}';
    const { object } = await mutating(jsonPatch(`[${labelled}, ${escaped}]`)).admit(Deployment, deployment(1));
    expect(object.metadata.labels).toEqual({ 'a~b': 'x', 'c/d~e': 'y' });
  });

  test('patches with objects, whose types are those of their places', async () => {
    const patch = (value: string) =>
      jsonPatch(`[JSONPatch{op: "add", path: "/spec/template/spec/containers/-", value: ${value}}]`);
    const { template } = await specOf(patch('Object.any{name: "side", image: "side:1"}'));
    expect(template.spec.containers).toHaveLength(3);
    await expect(specOf(patch('Object{resources: Object.limits{}}'))).rejects.toMatchObject({
      code: 403,
      reason: 'Invalid',
      message: `policy 'm' with binding 'mb' denied request: type mismatch: unexpected type name "Object.limits", expected "Object.resources", which matches field name path from root Object type`,
    });
  });

  test('whose patch tests in vain leaves the object as it is', async () => {
    const patch =
      '[JSONPatch{op: "test", path: "/spec/replicas", value: 7}, JSONPatch{op: "remove", path: "/spec/replicas"}]';
    expect((await specOf(jsonPatch(patch))).replicas).toBe(1);
  });

  test('whose patch does not fit refuses', async () => {
    await expect(specOf(jsonPatch('[JSONPatch{op: "remove", path: "/spec/none"}]'))).rejects.toMatchObject({
      code: 403,
      message: expect.stringMatching(/^policy 'm' with binding 'mb' denied request: JSON Patch: /),
    });
  });

  test('applies as server-side apply does: items of a list by their keys', async () => {
    const { template } = await specOf(
      applying(
        'Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: "web", image: "web:2"}]}}}}',
      ),
    );
    expect(template.spec.containers.map(({ name, image }) => [name, image])).toEqual([
      ['web', 'web:2'],
      ['log', 'log:1'],
    ]);
  });

  test('may not apply what could only be replaced as a whole', async () => {
    const expression =
      'Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: "web", args: ["a"]}]}}}}';
    await expect(specOf(applying(expression))).rejects.toMatchObject({
      code: 403,
      message: `policy 'm' with binding 'mb' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].args`,
    });
  });

  test('names the types of what it applies as their places are called', async () => {
    await expect(specOf(applying('Object{spec: Object.status{replicas: 3}}'))).rejects.toThrow(
      `policy 'm' with binding 'mb' denied request: type mismatch: unexpected type name "Object.status", expected "Object.spec", which matches field name path from root Object type`,
    );
  });

  const untyped =
    "policy 'm' with binding 'mb' denied request: error applying patch: failed to convert patch object to typed object: ";
  test.each<[string, string, string]>([
    ['a field that is none', '{none: 3}', `${untyped}.spec.none: field not declared in schema`],
    ['text for a number', '{replicas: "x"}', `${untyped}.spec.replicas: expected numeric (int or float), got string`],
    ['null', '{replicas: null}', `${untyped}.spec.replicas: expected numeric (int or float), got structpb.NullValue`],
    ['a number for an object', '{template: 3}', `${untyped}.spec.template: expected map, got &{3}`],
    ['a number for yes or no', '{paused: 1}', `${untyped}.spec.paused: expected boolean, got &{1}`],
  ])('may not apply %s', async (_, spec, message) => {
    await expect(specOf(applying(`Object{spec: Object.spec${spec}}`))).rejects.toMatchObject({ code: 403, message });
  });

  test('may not patch in what the kind does not have', async () => {
    await expect(specOf(jsonPatch('[JSONPatch{op: "add", path: "/spec/none", value: 1}]'))).rejects.toMatchObject({
      code: 500,
      message: 'Internal error occurred: strict decoding error: unknown field "spec.none"',
    });
  });

  test('runs each mutation on what the one before left', async () => {
    const mutations = ['object.spec.replicas + 1', 'object.spec.replicas * 10'].map((value) => ({
      patchType: 'JSONPatch',
      jsonPatch: { expression: `[JSONPatch{op: "replace", path: "/spec/replicas", value: ${value}}]` },
    }));
    expect((await specOf({ mutations })).replicas).toBe(20);
  });

  test('is judged by validating policies afterwards', async () => {
    const { admit } = cluster([
      mutation(applying('Object{spec: Object.spec{replicas: 9}}')),
      mutationBinding(),
      policy(validating('object.spec.replicas <= 5')),
      binding(),
    ]);
    await expect(admit(Deployment, deployment(1))).rejects.toThrow(`ValidatingAdmissionPolicy 'p'`);
  });

  test('that fails refuses, or is passed over', async () => {
    const failing = applying('Object{spec: Object.spec{replicas: object.nope}}');
    await expect(specOf(failing)).rejects.toMatchObject({
      code: 403,
      message: `policy 'm' with binding 'mb' denied request: expression 'Object{spec: Object.spec{replicas: object.nope}}' resulted in error: no such key: nope`,
    });
    expect((await specOf({ ...failing, failurePolicy: 'Ignore' })).replicas).toBe(1);
  });

  test('looks only where its conditions hold, and never at deletes', async () => {
    const spec = {
      ...applying('Object{spec: Object.spec{replicas: 9}}'),
      matchConditions: [{ name: 'c', expression: 'object.spec.replicas > 1' }],
    };
    expect((await specOf(spec)).replicas).toBe(1);
    expect((await specOf(spec, deployment(2))).replicas).toBe(9);
  });

  test('is asked again when it wants that', async () => {
    const counting = jsonPatch(
      '[JSONPatch{op: "add", path: "/metadata/labels", value: {"n": string(int(object.metadata.?labels["n"].orValue("0")) + 1)}}]',
    );
    const labelsOf = async (reinvocationPolicy: string) => {
      const { admit } = cluster([mutation({ ...counting, reinvocationPolicy }), mutationBinding()]);
      return (await admit(ConfigMap, configMap('c', {}))).object.metadata.labels;
    };
    expect(await labelsOf('Never')).toEqual({ n: '1' });
    expect(await labelsOf('IfNeeded')).toEqual({ n: '2' });
  });

  test('counts what it did', async () => {
    const { admit, checks } = mutating(applying('Object{spec: Object.spec{replicas: 9}}'));
    await admit(Deployment, deployment(1));
    expect([...checks.mutating]).toMatchObject([
      { policy: 'm', binding: 'mb', errorType: 'no_error', seconds: { count: 1 } },
    ]);
  });
});

test('pods that nobody has a policy for cost one look', async () => {
  const { admit } = cluster([]);
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'a' }, spec: { containers: [] } };
  await expect(admit(Pod, pod)).resolves.toBeDefined();
  await expect(admit(Namespace, { ...namespace }, { namespace: 'a' })).resolves.toBeDefined();
});
