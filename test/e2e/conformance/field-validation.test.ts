/** Unknown and duplicate fields, when the client asks for strictness. */
import { describe, expect, test } from 'vitest';
import { type Definition, withDefinitions } from './definitions.ts';
import { playground } from './playground.ts';

const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'strict' },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: 'strict' } },
    template: {
      metadata: { labels: { app: 'strict' } },
      spec: { containers: [{ name: 'main', image: 'none.example.com/none:1' }] },
    },
  },
};
const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        knownField1: { type: 'string' },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
          items: {
            type: 'object',
            required: ['containerPort', 'protocol'],
            properties: {
              containerPort: { type: 'integer' },
              hostPort: { type: 'integer' },
              protocol: { type: 'string' },
            },
          },
        },
      },
    },
  },
};
const PORTS = [{ containerPort: 8080, hostPort: 8081, protocol: 'TCP' }];
const embeddedSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        template: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
      },
    },
  },
};

describe('field validation', () => {
  const ground = playground('field-validation', async () => undefined);
  const STRICT = 'fieldValidation=Strict';
  const send = (path: string, body: string | object) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return ground().api.tryText('POST', `${path}?${STRICT}`, text);
  };
  const apply = (path: string, yaml: string | object) => {
    const text = typeof yaml === 'string' ? yaml : JSON.stringify(yaml);
    return ground().api.tryText('PATCH', `${path}?fieldManager=test&${STRICT}`, text, 'application/apply-patch+yaml');
  };
  const withSchema = (group: string, schema: object, tale: (it: Definition) => Promise<void>) =>
    withDefinitions(
      ground(),
      [{ group, kind: 'Strict', versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] }],
      tale,
    );

  test('FieldValidation should detect unknown and duplicate fields of a typed object', async () => {
    const deployments = ground().path('Deployment', 'apps/v1');
    const text = JSON.stringify(DEPLOYMENT).replace('"replicas":0', '"unknownField":"foo","replicas":0,"replicas":1');
    const refused = await send(deployments, text);
    expect(refused.code).toBe(400);
    expect(JSON.parse(refused.text).message).toBe(
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
    );
  });

  test('FieldValidation should detect unknown metadata fields of a typed object', async () => {
    const metadata = { name: 'strict', unknownMeta: 'unknown' };
    const refused = await send(ground().path('Deployment', 'apps/v1'), { ...DEPLOYMENT, metadata });
    expect(refused.code).toBe(400);
    expect(refused.text).toContain('strict decoding error: unknown field \\"metadata.unknownMeta\\"');
  });

  test('FieldValidation should create/apply a valid CR for CRD with validation schema', async () => {
    await withSchema('valid.example.com', SCHEMA, async (it) => {
      const spec = { knownField1: 'val1', ports: PORTS };
      expect((await send(it.objects(), it.object('made', { spec }))).code).toBe(201);
      expect((await apply(`${it.objects()}/applied`, it.object('applied', { spec }))).code).toBe(201);
    });
  });

  test('FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema', async () => {
    await withDefinitions(ground(), [{ group: 'schemaless.example.com', kind: 'Strict' }], async (it) => {
      const spec = { cronSpec: '* * * * */5', ports: PORTS, unknown: 1 };
      expect((await send(it.objects(), it.object('made', { spec }))).code).toBe(201);
      expect((await apply(`${it.objects()}/applied`, it.object('applied', { spec }))).code).toBe(201);
    });
  });

  test('FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema', async () => {
    await withSchema('extra.example.com', SCHEMA, async (it) => {
      const spec = { knownField1: 'val1', ports: PORTS, unknownField: 'unknown' };
      for (const answer of [
        await send(it.objects(), it.object('made', { spec })),
        await apply(`${it.objects()}/applied`, it.object('applied', { spec })),
      ]) {
        expect(answer.code).not.toBe(201);
        expect(answer.text).toContain('spec.unknownField');
      }
      const loose = await ground().api.tryText(
        'POST',
        `${it.objects()}?fieldValidation=Warn`,
        JSON.stringify(it.object('made', { spec })),
      );
      expect(loose.code).toBe(201);
      expect(loose.text).not.toContain('unknownField');
    });
  });

  test('FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR', async () => {
    await withSchema('embedded.example.com', embeddedSchema, async (it) => {
      const template = { apiVersion: 'foo/v1', kind: 'Sub', metadata: { unknownSubMeta: 'unknown', name: 'inner' } };
      const object = {
        ...it.object('made', { spec: { template } }),
        metadata: { name: 'made', unknownMeta: 'unknown' },
      };
      const refused = await send(it.objects(), object);
      expect(refused.code).toBe(400);
      expect(refused.text).toContain('unknown field \\"metadata.unknownMeta\\"');
      expect(refused.text).toContain('unknown field \\"spec.template.metadata.unknownSubMeta\\"');
    });
  });

  test('FieldValidation should detect duplicates in a CR when preserving unknown fields', async () => {
    await withDefinitions(ground(), [{ group: 'duplicates.example.com', kind: 'Strict' }], async (it) => {
      const text = JSON.stringify(it.object('made', { spec: { a: 1 } })).replace('"a":1', '"a":1,"unknown":1,"a":2');
      const refused = await send(it.objects(), text);
      expect(refused.code).toBe(400);
      expect(refused.text).toContain('strict decoding error: duplicate field \\"spec.a\\"');
      const yaml = `apiVersion: duplicates.example.com/v1\nkind: Strict\nmetadata:\n  name: applied\nspec:\n  a: 1\n  a: 2\n`;
      const applied = await apply(`${it.objects()}/applied`, yaml);
      expect(applied.code).toBe(400);
      expect(applied.text).toContain('key \\"a\\" already set in map');
    });
  });
});
