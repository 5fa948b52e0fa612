/** Admission webhooks in a pod, dialled through its Service. */
import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { DEFINITIONS, type Definition, definition, withDefinitions } from './definitions.ts';
import { configMap, container, object, playground, pod, shell } from './playground.ts';
import { type ClientConfig, serveWebhooks } from './tls-server.ts';

type Form = 'Mutating' | 'Validating';
interface Hook {
  path: string;
  rules: { operations: string[]; groups?: string[]; versions?: string[]; resources: string[] }[];
  [field: string]: unknown;
}
interface Data extends KubeObject {
  data?: Record<string, string>;
}

const UNWANTED = { 'webhook-e2e-test': 'webhook-disallow' };
const CONFIG_MAPS = [{ operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }];
const HOOKS = '/apis/admissionregistration.k8s.io/v1';

describe('admission webhooks', () => {
  let clientConfig: (path: string) => ClientConfig;
  const ground = playground('webhooks', async (it) => {
    clientConfig = await serveWebhooks(it);
    return undefined;
  });
  const all = (form: Form) => `${HOOKS}/${form.toLowerCase()}webhookconfigurations`;
  const here = () => ({ matchLabels: { 'kubernetes.io/metadata.name': ground().namespace } });

  const hook = ({ path, rules, ...rest }: Hook, index: number) => ({
    name: `hook-${index}.k8s.io`,
    clientConfig: clientConfig(path),
    rules: rules.map(({ operations, groups = [''], versions = ['v1'], resources }) => ({
      ...{ operations, apiGroups: groups, apiVersions: versions, resources },
    })),
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 10,
    namespaceSelector: here(),
    ...rest,
  });
  const configuration = (form: Form, name: string, hooks: readonly Hook[]) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${form}WebhookConfiguration`,
    metadata: { name: `e2e-${name}`, labels: { 'e2e-webhooks': name } },
    // The last says that the API server knows the others: it refuses the marker.
    webhooks: [...hooks, { ...MARKER, objectSelector: { matchLabels: { marker: name } } }].map(hook),
  });
  const MARKER = { path: '/always-deny', rules: [{ operations: ['CREATE'], resources: ['configmaps'] }] };

  const isKnown = (name: string) =>
    eventually(`the API server knows ${name}`, async () => {
      const marker = configMap('marker', {}, { metadata: { name: 'marker', labels: { marker: name } } });
      return (await ground().api.try('POST', `${ground().path('ConfigMap')}?dryRun=All`, marker)).code === 400;
    });
  async function withHooks(form: Form, name: string, hooks: readonly Hook[], tale: (path: string) => Promise<unknown>) {
    const path = `${all(form)}/e2e-${name}`;
    try {
      await ground().api.post(all(form), configuration(form, name, hooks));
      await isKnown(name);
      await tale(path);
    } finally {
      await ground().api.try('DELETE', path);
    }
  }
  const tryCreate = (sent: ReturnType<typeof object>) =>
    ground().api.try('POST', ground().pathOf({ ...sent, metadata: {} }), sent);
  async function refuses(sent: ReturnType<typeof object>, why: string): Promise<void> {
    const { code, text } = await tryCreate(sent);
    expect(text).toContain(why);
    expect(code).toBeGreaterThanOrEqual(400);
  }
  const made = async <T extends KubeObject>(sent: ReturnType<typeof object>): Promise<T> =>
    ground().api.post<T>(ground().pathOf({ ...sent, metadata: {} }), sent);

  test('AdmissionWebhook should include webhook resources in discovery documents', async () => {
    const { groups } = await ground().api.get<{ groups: { name: string }[] }>('/apis');
    expect(groups).toContainEqual(expect.objectContaining({ name: 'admissionregistration.k8s.io' }));
    const { versions } = await ground().api.get<{ versions: object[] }>('/apis/admissionregistration.k8s.io');
    expect(versions).toContainEqual(expect.objectContaining({ version: 'v1' }));
    const { resources } = await ground().api.get<{ resources: { name: string }[] }>(HOOKS);
    const names = resources.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['mutatingwebhookconfigurations', 'validatingwebhookconfigurations']));
  });

  test('AdmissionWebhook should be able to deny pod and configmap creation', async () => {
    const outside = { matchExpressions: [{ key: 'skip-webhook-admission', operator: 'NotIn', values: ['yes'] }] };
    const ours = {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'In', values: [ground().namespace, 'skipped-ns'] },
      ],
    };
    const namespaceSelector = { matchExpressions: [...outside.matchExpressions, ...ours.matchExpressions] };
    const hooks = [
      { path: '/pods', rules: [{ operations: ['CREATE'], resources: ['pods'] }], namespaceSelector, timeoutSeconds: 5 },
      { path: '/configmaps', rules: CONFIG_MAPS, namespaceSelector },
    ];
    await withHooks('Validating', 'deny-both', hooks, async () => {
      const unwanted = pod('unwanted', {
        labels: UNWANTED,
        spec: { containers: [container({ name: 'webhook-disallow' })] },
      });
      await refuses(unwanted, 'the pod contains unwanted label');
      await refuses(unwanted, 'the pod contains unwanted container name');
      const hanging = pod('hanging', { labels: { 'webhook-e2e-test': 'wait-forever' }, spec: {} });
      await refuses(hanging, 'context deadline exceeded');
      await refuses(configMap('unwanted', UNWANTED), 'the configmap contains unwanted key and value');
      const path = ground().path('ConfigMap', 'v1', 'allowed');
      const allowed = await made<Data>(configMap('allowed', { admit: 'this' }));
      expect((await ground().api.try('PUT', path, { ...allowed, data: UNWANTED })).text).toContain(
        'unwanted key and value',
      );
      const patch = await ground().api.try('PATCH', path, { data: UNWANTED }, 'application/merge-patch+json');
      expect(patch.text).toContain('the configmap contains unwanted key and value');
      expect((await ground().api.get<Data>(path)).data).toEqual({ admit: 'this' });

      const skipped = object('Namespace', 'skipped-ns', {
        metadata: { name: 'skipped-ns', labels: { 'skip-webhook-admission': 'yes' } },
      });
      await ground().api.post('/api/v1/namespaces', skipped);
      await ground().api.post('/api/v1/namespaces/skipped-ns/configmaps', configMap('unwanted', UNWANTED));
      await ground().api.delete('/api/v1/namespaces/skipped-ns');
    });
  });

  test('AdmissionWebhook should be able to deny attaching pod', async () => {
    const rules = [{ operations: ['CONNECT'], resources: ['pods/attach'] }];
    await withHooks('Validating', 'deny-attach', [{ path: '/pods/attach', rules }], async () => {
      await ground().create(pod('to-be-attached-pod', { spec: { containers: [shell('sleep 600', { stdin: true })] } }));
      await ground().ready('to-be-attached-pod');
      const attach = ['-n', ground().namespace, 'attach', 'to-be-attached-pod', '-i', '-c', 'main'];
      const { code, stderr } = await ground().cluster.tryKubectl(attach);
      expect(code).toBe(1);
      expect(stderr).toContain("attaching to pod 'to-be-attached-pod' is not allowed");
    });
  });

  const custom = (it: Definition) => ({
    groups: [it.name.slice(it.plural.length + 1)],
    versions: ['*'],
    resources: [it.plural],
  });

  test('AdmissionWebhook should be able to deny custom resource creation, update and deletion', async () => {
    await withDefinitions(ground(), [{ group: 'denied.example.com', kind: 'Denied' }], async (it) => {
      const early = await ground().api.post<Data>(it.objects(), it.object('early', { data: UNWANTED }));
      const rules = [{ operations: ['CREATE', 'UPDATE', 'DELETE'], ...custom(it) }];
      await withHooks('Validating', 'deny-custom', [{ path: '/custom-resource', rules }], async () => {
        const WHY = 'the custom resource contains unwanted data';
        expect((await ground().api.try('POST', it.objects(), it.object('late', { data: UNWANTED }))).text).toContain(
          WHY,
        );
        const path = `${it.objects()}/early`;
        expect((await ground().api.try('DELETE', path)).text).toContain(WHY);
        expect((await ground().api.try('PUT', path, { ...early, extra: 1 })).text).toContain(WHY);
        await ground().api.patch(path, { data: { 'webhook-e2e-test': null } });
        expect(
          (await ground().api.try('PATCH', path, { data: UNWANTED }, 'application/merge-patch+json')).text,
        ).toContain(WHY);
        await ground().api.delete(path);
      });
    });
  });

  test('AdmissionWebhook should unconditionally reject operations on fail closed webhook', async () => {
    const nobody = { clientConfig: { ...clientConfig('/always-allow'), caBundle: '' }, failurePolicy: 'Fail' };
    await ground().create(object('Service', 'nobody', { spec: { ports: [{ port: 443 }] } }));
    nobody.clientConfig = { ...nobody.clientConfig, service: { ...nobody.clientConfig.service, name: 'nobody' } };
    const objectSelector = { matchLabels: { closed: 'yes' } };
    await withHooks(
      'Validating',
      'fail-closed',
      [{ path: '', rules: CONFIG_MAPS, objectSelector, ...nobody }],
      async () => {
        const { code, text } = await tryCreate(
          configMap('closed', {}, { metadata: { name: 'closed', labels: { closed: 'yes' } } }),
        );
        expect(code).toBe(500);
        expect(JSON.parse(text)).toMatchObject({ reason: 'InternalError' });
        expect(text).toContain('failed calling webhook');
      },
    );
  });

  const stages = [
    { path: '/mutating-configmaps', rules: CONFIG_MAPS },
    { path: '/mutating-configmaps', rules: CONFIG_MAPS },
  ];

  test('AdmissionWebhook should mutate configmap', async () => {
    await withHooks('Mutating', 'mutate-maps', stages, async () => {
      const { data } = await made<Data>(configMap('to-be-mutated', { 'mutation-start': 'yes' }));
      expect(data).toEqual({ 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' });
    });
  });

  test('AdmissionWebhook should mutate pod and apply defaults after mutation', async () => {
    const rules = [{ operations: ['CREATE'], resources: ['pods'] }];
    await withHooks('Mutating', 'mutate-pods', [{ path: '/mutating-pods', rules }], async () => {
      const { spec } = await made<Pod>(pod('webhook-to-be-mutated', { spec: { containers: [shell('sleep 1')] } }));
      expect(spec.initContainers).toHaveLength(1);
      expect(spec.initContainers?.[0]).toMatchObject({
        name: 'webhook-added-init-container',
        terminationMessagePolicy: 'File',
        terminationMessagePath: '/dev/termination-log',
        imagePullPolicy: 'Always',
      });
      await ground().api.delete(ground().path('Pod', 'v1', 'webhook-to-be-mutated'), { gracePeriodSeconds: 0 });
    });
  });

  test('AdmissionWebhook should not be able to mutate or prevent deletion of webhook configuration objects', async () => {
    const rules = [
      {
        operations: ['*'],
        groups: ['admissionregistration.k8s.io'],
        versions: ['*'],
        resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
      },
    ];
    await withHooks('Validating', 'prevent', [{ path: '/always-deny', rules, namespaceSelector: {} }], async () => {
      await withHooks('Mutating', 'relabel', [{ path: '/add-label', rules, namespaceSelector: {} }], async () => {
        for (const form of ['Validating', 'Mutating'] as const) {
          const dummy = await ground().api.post<KubeObject>(all(form), configuration(form, 'dummy', []));
          expect(dummy.metadata.labels).toEqual({ 'e2e-webhooks': 'dummy' });
          await ground().api.delete(`${all(form)}/e2e-dummy`);
        }
      });
    });
  });

  const mutating = (it: Definition) => {
    const rules = [{ operations: ['CREATE', 'UPDATE'], ...custom(it) }];
    return [1, 2].map(() => ({ path: '/mutating-custom-resource', rules }));
  };
  const MUTATED = { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' };

  test('AdmissionWebhook should mutate custom resource', async () => {
    await withDefinitions(ground(), [{ group: 'mutated.example.com', kind: 'Mutated' }], async (it) => {
      await withHooks('Mutating', 'mutate-custom', mutating(it), async () => {
        const { data } = await ground().api.post<Data>(
          it.objects(),
          it.object('one', { data: { 'mutation-start': 'yes' } }),
        );
        expect(data).toEqual(MUTATED);
      });
    });
  });

  test('AdmissionWebhook should mutate custom resource with pruning', async () => {
    const known = { 'mutation-start': { type: 'string' }, 'mutation-stage-1': { type: 'string' } };
    const schema = { type: 'object', properties: { data: { type: 'object', properties: known } } };
    const versions = [{ name: 'v1', schema: { openAPIV3Schema: schema } }];
    await withDefinitions(ground(), [{ group: 'pruned.example.com', kind: 'Pruned', versions }], async (it) => {
      await withHooks('Mutating', 'mutate-pruned', mutating(it), async () => {
        const { data } = await ground().api.post<Data>(
          it.objects(),
          it.object('one', { data: { 'mutation-start': 'yes' } }),
        );
        expect(data).toEqual({ 'mutation-start': 'yes', 'mutation-stage-1': 'yes' });
      });
    });
  });

  test('AdmissionWebhook should mutate custom resource with different stored version', async () => {
    const versions = [{ name: 'v1' }, { name: 'v2' }];
    await withDefinitions(ground(), [{ group: 'restored.example.com', kind: 'Restored', versions }], async (it) => {
      await withHooks('Mutating', 'mutate-stored', mutating(it), async () => {
        const one = await ground().api.post<Data>(
          it.objects('v1'),
          it.object('one', { data: { 'mutation-start': 'yes' } }),
        );
        expect(one.data).toEqual(MUTATED);
        await ground().api.patch(
          it.path,
          [
            { op: 'replace', path: '/spec/versions/0/storage', value: false },
            { op: 'replace', path: '/spec/versions/1/storage', value: true },
          ],
          'json',
        );
        const patched = await eventually('the other version is stored', async () => {
          const { code, text } = await ground().api.try(
            'PATCH',
            `${it.objects('v2')}/one`,
            { data: { dummy: 'test' } },
            'application/merge-patch+json',
          );
          return code === 200 && (JSON.parse(text) as Data);
        });
        expect(patched.data).toEqual({ ...MUTATED, dummy: 'test' });
      });
    });
  });

  test('AdmissionWebhook should deny crd creation', async () => {
    const rules = [
      {
        operations: ['CREATE'],
        groups: ['apiextensions.k8s.io'],
        versions: ['*'],
        resources: ['customresourcedefinitions'],
      },
    ];
    await withHooks('Validating', 'deny-crd', [{ path: '/crd', rules, namespaceSelector: {} }], async () => {
      const unwanted = definition({ group: 'unwanted.example.com', kind: 'Unwanted', labels: UNWANTED });
      expect((await ground().api.try('POST', DEFINITIONS, unwanted)).text).toContain('the crd contains unwanted label');
    });
  });

  test('AdmissionWebhook should honor timeout', async () => {
    const slow = (timeoutSeconds: number | undefined, failurePolicy: string) => [
      {
        path: '/slow',
        rules: CONFIG_MAPS,
        timeoutSeconds,
        failurePolicy,
        objectSelector: { matchLabels: { slow: 'yes' } },
      },
    ];
    const create = () => tryCreate(configMap('', {}, { metadata: { generateName: 'slow-', labels: { slow: 'yes' } } }));
    await withHooks('Validating', 'slow-fail', slow(1, 'Fail'), async () => {
      const { code, text } = await create();
      expect(code).toBe(500);
      expect(text).toContain('context deadline exceeded');
    });
    await withHooks('Validating', 'slow-ignore', slow(1, 'Ignore'), async () =>
      expect((await create()).code).toBe(201),
    );
    await withHooks('Validating', 'slow-enough', slow(10, 'Fail'), async () => expect((await create()).code).toBe(201));
    await withHooks('Validating', 'slow-default', slow(undefined, 'Fail'), async (path) => {
      const { webhooks } = await ground().api.get<{ webhooks: { timeoutSeconds: number }[] } & KubeObject>(path);
      expect(webhooks[0]?.timeoutSeconds).toBe(10);
      expect((await create()).code).toBe(201);
    });
  });

  test('AdmissionWebhook patching/updating a validating webhook should work', async () => {
    const denied = () => tryCreate(configMap('', UNWANTED, { metadata: { generateName: 'denied-' } }));
    await withHooks('Validating', 'changed', [{ path: '/configmaps', rules: CONFIG_MAPS }], async (path) => {
      expect((await denied()).text).toContain('unwanted key and value');
      const current = await ground().api.get<KubeObject & { webhooks: object[] }>(path);
      const [first, marker] = current.webhooks as [{ rules: { operations: string[] }[] }, object];
      const without = { ...first, rules: first.rules.map((rule) => ({ ...rule, operations: ['UPDATE'] })) };
      await ground().api.put(path, { ...current, webhooks: [without, marker] });
      await eventually('creations are not asked about', async () => (await denied()).code === 201);
      await ground().api.patch(
        path,
        [{ op: 'replace', path: '/webhooks/0/rules/0/operations', value: ['CREATE'] }],
        'json',
      );
      await eventually('creations are asked about again', async () => (await denied()).code >= 400);
    });
  });

  test('AdmissionWebhook patching/updating a mutating webhook should work', async () => {
    const create = () =>
      made<Data>(configMap('', { 'mutation-start': 'yes' }, { metadata: { generateName: 'mutated-' } }));
    await withHooks('Mutating', 'changed-too', [stages[0] as Hook], async (path) => {
      const current = await ground().api.get<KubeObject & { webhooks: object[] }>(path);
      const [first, marker] = current.webhooks as [{ rules: { operations: string[] }[] }, object];
      const without = { ...first, rules: first.rules.map((rule) => ({ ...rule, operations: ['UPDATE'] })) };
      await ground().api.put(path, { ...current, webhooks: [without, marker] });
      await eventually('creations stay as they are', async () => !(await create()).data?.['mutation-stage-1']);
      await ground().api.patch(
        path,
        [{ op: 'replace', path: '/webhooks/0/rules/0/operations', value: ['CREATE'] }],
        'json',
      );
      await eventually('creations are mutated', async () => (await create()).data?.['mutation-stage-1'] === 'yes');
    });
  });

  async function listsAndDeletes(form: Form, hooks: readonly Hook[], effect: () => Promise<boolean>): Promise<void> {
    const names = [1, 2, 3].map((index) => `e2e-listed-${index}`);
    const selected = `${all(form)}?labelSelector=e2e-webhooks%3Dlisted`;
    for (const name of names)
      await ground().api.post(all(form), {
        ...configuration(form, 'listed', hooks),
        metadata: { name, labels: { 'e2e-webhooks': 'listed' } },
      });
    const { items } = await ground().api.get<{ items: KubeObject[] }>(selected);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(names);
    await isKnown('listed');
    await eventually('they work', effect);
    await ground().api.delete(selected);
    await eventually('they are gone', async () => !(await effect()));
  }

  test('AdmissionWebhook listing validating webhooks should work', async () => {
    await listsAndDeletes('Validating', [{ path: '/configmaps', rules: CONFIG_MAPS }], async () =>
      (await tryCreate(configMap('', UNWANTED, { metadata: { generateName: 'listed-' } }))).text.includes(
        'unwanted key',
      ),
    );
  });

  test('AdmissionWebhook listing mutating webhooks should work', async () => {
    await listsAndDeletes('Mutating', [stages[0] as Hook], async () => {
      const { data } = await made<Data>(
        configMap('', { 'mutation-start': 'yes' }, { metadata: { generateName: 'listed-' } }),
      );
      return data?.['mutation-stage-1'] === 'yes';
    });
  });

  const condition = (expression: string) => [{ name: 'condition', expression }];
  for (const form of ['Validating', 'Mutating'] as const) {
    const rules = [{ operations: ['CREATE'], resources: ['configmaps'] }];
    test(`AdmissionWebhook should be able to create and update ${form.toLowerCase()} webhook configurations with match conditions`, async () => {
      const first = { path: '/always-deny', rules, matchConditions: condition("object.metadata.namespace == 'none'") };
      await withHooks(form, 'conditions', [first], async (path) => {
        type Read = KubeObject & { webhooks: [{ matchConditions: object[] }] };
        const current = await ground().api.get<Read>(path);
        expect(current.webhooks[0].matchConditions).toEqual(first.matchConditions);
        const next = [
          ...condition("object.metadata.namespace == 'none'"),
          { name: 'second', expression: 'object.metadata.name == "x"' },
        ];
        const updated = await ground().api.put<Read>(path, {
          ...current,
          webhooks: current.webhooks.map((each, index) => (index === 0 ? { ...each, matchConditions: next } : each)),
        });
        expect(updated.webhooks[0].matchConditions).toEqual(next);
      });
    });

    test(`AdmissionWebhook should reject ${form.toLowerCase()} webhook configurations with invalid match conditions`, async () => {
      const invalid = { path: '/always-deny', rules, matchConditions: condition('... [] bad expression') };
      const { code, text } = await ground().api.try('POST', all(form), configuration(form, 'invalid', [invalid]));
      expect(code).toBe(422);
      expect(text).toContain('compilation failed');
    });
  }

  test("AdmissionWebhook should mutate everything except 'skip-me' configmaps", async () => {
    const skipping = stages.map((each) => ({
      ...each,
      matchConditions: condition("object.metadata.name != 'skip-me'"),
    }));
    await withHooks('Mutating', 'skipping', skipping, async () => {
      expect((await made<Data>(configMap('skip-me', { 'mutation-start': 'yes' }))).data).toEqual({
        'mutation-start': 'yes',
      });
      const { data } = await made<Data>(configMap('not-skipped', { 'mutation-start': 'yes' }));
      expect(data).toMatchObject({ 'mutation-stage-1': 'yes' });
    });
  });
});
