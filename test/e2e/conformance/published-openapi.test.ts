/** What the OpenAPI documents say of custom resources, and what kubectl makes of it. */
import { describe, expect, test } from 'vitest';
import { eventually, holds } from '../running-cluster.ts';
import { type Defined, type Definition, withDefinitions } from './definitions.ts';
import { playground } from './playground.ts';

interface Document {
  definitions: Record<string, { description?: string; properties?: Record<string, unknown> }>;
}

const SCHEMA = {
  description: 'Foo CRD for Testing',
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'Specification of Foo',
      properties: {
        bars: {
          description: 'List of Bars and their specs.',
          type: 'array',
          items: {
            type: 'object',
            required: ['name'],
            properties: {
              name: { description: 'Name of Bar.', type: 'string' },
              age: { description: 'Age of Bar.', type: 'string' },
              feeling: { description: 'Whether Bar is feeling great.', type: 'string', enum: ['Great', 'Down'] },
              bazs: { description: 'List of Bazs.', items: { type: 'string' }, type: 'array' },
            },
          },
        },
      },
    },
    status: {
      description: 'Status of Foo',
      type: 'object',
      properties: { bars: { type: 'array', items: { type: 'string' } } },
    },
  },
};
const withSchema = (name: string, schema: object = SCHEMA, parts: object = {}) => ({
  name,
  schema: { openAPIV3Schema: schema },
  ...parts,
});

describe('the published OpenAPI of custom resources', () => {
  const ground = playground('published-openapi', async () => undefined);
  const reversed = (group: string) => group.split('.').reverse().join('.');
  const keyOf = ({ group, kind }: Defined, version = 'v1') => `${reversed(group)}.${version}.${kind}`;
  const document = () => ground().api.get<Document>('/openapi/v2');

  const published = (key: string, check: (schema: Document['definitions'][string]) => boolean = () => true) =>
    eventually(`${key} is published`, async () => {
      const found = (await document()).definitions[key];
      return found && check(found);
    });
  const withdrawn = (key: string) =>
    eventually(`${key} is not published`, async () => !(key in (await document()).definitions));
  /** From the documents of version 3, which are others than those that `published` looks at. */
  const explains = (it: Definition, path: string, text: RegExp) =>
    holds(`${it.plural}${path} is explained`, async () => {
      const version = `--api-version=${it.name.slice(it.name.indexOf('.') + 1)}/v1`;
      expect(await ground().cluster.kubectl('explain', `${it.plural}${path}`, version)).toMatch(text);
    });
  const applying = (it: Definition, parts: object, name = 'made') =>
    ground().cluster.tryKubectl(['-n', ground().namespace, 'apply', '--validate=true', '-f', '-'], {
      input: JSON.stringify(it.object(name, parts)),
    });

  test('CustomResourcePublishOpenAPI works for CRD with validation schema', async () => {
    const defined = { group: 'schema.example.com', kind: 'Foo', versions: [withSchema('v1')] };
    await withDefinitions(ground(), [defined], async (foo) => {
      await published(keyOf(defined), ({ description }) => description === SCHEMA.description);
      const good = await applying(foo, { spec: { bars: [{ name: 'test-bar', feeling: 'Great' }] } });
      expect(good.stdout).toContain('foo.schema.example.com/made created');
      expect(
        (await applying(foo, { spec: { bars: [{ name: 'test-bar', feeling: 'NotGreat' }] } }, 'bad')).stderr,
      ).toMatch(/Unsupported value: "NotGreat"/);
      const unknown = await applying(foo, { spec: { unknownField: true } }, 'bad');
      expect(unknown.code).toBe(1);
      expect(unknown.stderr).toContain('unknown field "spec.unknownField"');
      const missing = await applying(foo, { spec: { bars: [{ age: '10' }] } }, 'bad');
      expect(missing.stderr).toContain('spec.bars[0].name: Required value');
      await explains(foo, '', /DESCRIPTION:\s+Foo CRD for Testing/);
      await explains(foo, '.spec', /DESCRIPTION:\s+Specification of Foo/);
      await explains(foo, '.spec.bars', /bazs\s+<\[\]string>[\s\S]*List of Bazs/);
      const nothing = await ground().cluster.tryKubectl(['explain', `${foo.plural}.spec.bars2`]);
      expect(nothing.stderr).toContain('field "bars2" does not exist');
    });
  });

  test('CustomResourcePublishOpenAPI works for CRD without validation schema', async () => {
    const loose = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const defined = { group: 'empty.example.com', kind: 'Empty', versions: [withSchema('v1', loose)] };
    await withDefinitions(ground(), [defined], async (empty) => {
      await published(keyOf(defined));
      expect((await applying(empty, { a: { b: [{ c: 'd' }] } })).stdout).toContain('created');
      await explains(empty, '', /DESCRIPTION:\s+<empty>/);
    });
  });

  test('CustomResourcePublishOpenAPI works for CRD preserving unknown fields at the schema root', async () => {
    const schema = { ...SCHEMA, 'x-kubernetes-preserve-unknown-fields': true };
    const defined = { group: 'root.example.com', kind: 'Root', versions: [withSchema('v1', schema)] };
    await withDefinitions(ground(), [defined], async (root) => {
      await published(keyOf(defined));
      expect((await applying(root, { a: { b: [{ c: 'd' }] } })).stdout).toContain('created');
      await explains(root, '', /KIND:\s+Root/);
    });
  });

  test('CustomResourcePublishOpenAPI works for CRD preserving unknown fields in an embedded object', async () => {
    const embedded = {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      'x-kubernetes-preserve-unknown-fields': true,
    };
    const schema = { type: 'object', properties: { spec: { type: 'object', properties: { template: embedded } } } };
    const defined = { group: 'nested.example.com', kind: 'Nested', versions: [withSchema('v1', schema)] };
    await withDefinitions(ground(), [defined], async (nested) => {
      await published(keyOf(defined));
      const template = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'inner' }, spec: { a: { b: 'c' } } };
      expect((await applying(nested, { spec: { template } })).stdout).toContain('created');
      await explains(nested, '.spec', /template\s+<Object>/);
    });
  });

  test('CustomResourcePublishOpenAPI works for multiple CRDs of different groups', async () => {
    const two = ['one.example.com', 'two.example.com'].map((group) => ({
      group,
      kind: 'Foo',
      versions: [withSchema('v1')],
    }));
    await withDefinitions(ground(), two, async () => {
      for (const each of two) await published(keyOf(each));
    });
  });

  test('CustomResourcePublishOpenAPI works for multiple CRDs of same group but different versions', async () => {
    const defined = { group: 'versions.example.com', kind: 'Foo', versions: [withSchema('v2'), withSchema('v3')] };
    const other = { group: 'versions.example.com', kind: 'Bar', versions: [withSchema('v4'), withSchema('v5')] };
    await withDefinitions(ground(), [defined, other], async () => {
      for (const version of ['v2', 'v3']) await published(keyOf(defined, version));
      for (const version of ['v4', 'v5']) await published(keyOf(other, version));
    });
  });

  test('CustomResourcePublishOpenAPI works for multiple CRDs of same group and version but different kinds', async () => {
    const kinds = ['Foo', 'Bar'].map((kind) => ({ group: 'kinds.example.com', kind, versions: [withSchema('v6')] }));
    await withDefinitions(ground(), kinds, async () => {
      for (const each of kinds) await published(keyOf(each, 'v6'));
    });
  });

  test('CustomResourcePublishOpenAPI updates the published spec when one version gets renamed', async () => {
    const defined = { group: 'renamed.example.com', kind: 'Foo', versions: [withSchema('v2'), withSchema('v3')] };
    await withDefinitions(ground(), [defined], async (foo) => {
      for (const version of ['v2', 'v3']) await published(keyOf(defined, version));
      await ground().api.patch(foo.path, [{ op: 'replace', path: '/spec/versions/1/name', value: 'v4' }], 'json');
      await published(keyOf(defined, 'v4'));
      await withdrawn(keyOf(defined, 'v3'));
      await published(keyOf(defined, 'v2'));
    });
  });

  test('CustomResourcePublishOpenAPI removes definition from spec when one version gets changed to not be served', async () => {
    const defined = {
      group: 'unserved.example.com',
      kind: 'Foo',
      versions: [withSchema('v5'), withSchema('v6alpha1')],
    };
    await withDefinitions(ground(), [defined], async (foo) => {
      for (const version of ['v5', 'v6alpha1']) await published(keyOf(defined, version));
      await ground().api.patch(foo.path, [{ op: 'replace', path: '/spec/versions/1/served', value: false }], 'json');
      await withdrawn(keyOf(defined, 'v6alpha1'));
      await published(keyOf(defined, 'v5'));
    });
  });
});
