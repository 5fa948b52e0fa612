/** Admission policies in CEL: what they refuse, and what they change. */
import { describe, expect, test } from 'vitest';
import type { Deployment } from '#api/apps/v1/deployment.ts';
import { eventually } from '../running-cluster.ts';
import { configMap, container, object, playground } from './playground.ts';

const GROUP = 'admissionregistration.k8s.io/v1';

describe('admission policies', () => {
  const ground = playground('policies', async () => undefined);
  const here = () => ({ matchLabels: { 'kubernetes.io/metadata.name': ground().namespace } });
  const rule = (group: string, resource: string) => ({
    ...{ apiGroups: [group], apiVersions: ['v1'], operations: ['CREATE'], resources: [resource] },
  });
  const deployment = (name: string, replicas: number, spec: object = {}) =>
    object(
      'Deployment',
      name,
      {
        spec: {
          replicas,
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: { nodeSelector: { nowhere: 'yes' }, containers: [container()] },
          },
          ...spec,
        },
      },
      'apps/v1',
    );
  const create = (sent: ReturnType<typeof object>) =>
    ground().api.try('POST', ground().path(sent.kind, sent.apiVersion), sent);

  /** A policy with its binding, in force until the tale ends. A marker tells when the API server knows it. */
  async function withPolicy(
    form: 'Validating' | 'Mutating',
    { name, spec, known }: { name: string; spec: object; known(): Promise<boolean> },
    tale: () => Promise<void>,
  ) {
    const path = (kind: string) => `/apis/${GROUP}/${form.toLowerCase()}admission${kind}`;
    const bindingSpec = {
      policyName: name,
      matchResources: { namespaceSelector: here() },
      ...(form === 'Validating' && { validationActions: ['Deny'] }),
    };
    try {
      await ground().api.post(path('policies'), object(`${form}AdmissionPolicy`, name, { spec }, GROUP));
      await ground().api.post(
        path('policybindings'),
        object(`${form}AdmissionPolicyBinding`, name, { spec: bindingSpec }, GROUP),
      );
      await eventually(`${name} is in force`, known);
      await tale();
    } finally {
      await ground().api.try('DELETE', `${path('policybindings')}/${name}`);
      await ground().api.try('DELETE', `${path('policies')}/${name}`);
    }
  }
  const constraints = { matchConstraints: { resourceRules: [rule('apps', 'deployments')] }, failurePolicy: 'Fail' };
  const refuses = async (replicas: number) => {
    const { code } = await ground().api.try(
      'POST',
      `${ground().path('Deployment', 'apps/v1')}?dryRun=All`,
      deployment('marker', replicas),
    );
    return code === 422;
  };

  test('ValidatingAdmissionPolicy should validate against a Deployment', async () => {
    const validations = [
      {
        expression: 'object.spec.replicas > 1',
        messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)",
      },
      {
        expression: "object.spec.template.spec.containers.all(c, c.name != 'forbidden')",
        message: 'a name is forbidden',
      },
    ];
    await withPolicy(
      'Validating',
      { name: 'e2e-replicas', spec: { ...constraints, validations }, known: () => refuses(1) },
      async () => {
        expect((await create(deployment('two', 2))).code).toBe(201);
        const { code, text } = await create(deployment('one', 1));
        expect(code).toBe(422);
        expect(JSON.parse(text).message).toBe(
          `deployments.apps "one" is forbidden: ValidatingAdmissionPolicy 'e2e-replicas' with binding 'e2e-replicas' denied request: wants replicas > 1, got 1`,
        );
      },
    );
  });

  test('ValidatingAdmissionPolicy should allow expressions to refer variables.', async () => {
    const spec = {
      ...constraints,
      variables: [
        { name: 'replicas', expression: 'object.spec.replicas' },
        { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
      ],
      validations: [{ expression: 'variables.replicas > 1' }, { expression: 'variables.oddReplicas' }],
    };
    await withPolicy('Validating', { name: 'e2e-variables', spec, known: () => refuses(1) }, async () => {
      expect((await create(deployment('three', 3))).code).toBe(201);
      expect((await create(deployment('again-one', 1))).text).toContain('failed expression: variables.replicas > 1');
      expect((await create(deployment('four', 4))).text).toContain('failed expression: variables.oddReplicas');
    });
  });

  const mutating = (expression: string) => ({
    ...constraints,
    reinvocationPolicy: 'Never',
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
  });
  const dryRun = async () => {
    const path = `${ground().path('Deployment', 'apps/v1')}?dryRun=All`;
    return ground().api.post<Deployment>(path, deployment('marker', 1));
  };

  test('MutatingAdmissionPolicy should mutate a Deployment', async () => {
    const spec = mutating('Object{spec: Object.spec{replicas: object.spec.replicas + 2}}');
    const known = async () => (await dryRun()).spec.replicas === 3;
    await withPolicy('Mutating', { name: 'e2e-more', spec, known }, async () => {
      const made = await ground().api.post<Deployment>(ground().path('Deployment', 'apps/v1'), deployment('grown', 5));
      expect(made.spec.replicas).toBe(7);
      expect((await ground().api.get<Deployment>(ground().path('Deployment', 'apps/v1', 'grown'))).spec.replicas).toBe(
        7,
      );
    });
  });

  test('MutatingAdmissionPolicy should mutate a Deployment with annotations', async () => {
    const spec = mutating('Object{metadata: Object.metadata{annotations: {"mutated": "by " + request.operation}}}');
    const known = async () => (await dryRun()).metadata.annotations?.['mutated'] !== undefined;
    await withPolicy('Mutating', { name: 'e2e-annotated', spec, known }, async () => {
      const made = await ground().api.post<Deployment>(
        ground().path('Deployment', 'apps/v1'),
        deployment('annotated', 1),
      );
      expect(made.metadata.annotations).toMatchObject({ mutated: 'by CREATE' });
      await ground().create(configMap('untouched', {}));
    });
  });
});
