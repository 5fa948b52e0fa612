/** Custom resources as stock kubectl meets them: refused, pruned, defaulted and explained by their schema. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;

const size = { type: 'integer', minimum: 1, description: 'How large it is.' };
const colour = { type: 'string', enum: ['red', 'blue'], default: 'blue' };
const spec = {
  type: 'object',
  description: 'What the widget shall be.',
  required: ['size'],
  properties: {
    size,
    colour,
    tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    port: { 'x-kubernetes-int-or-string': true },
  },
};
const widgetSchema = (own: object) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: { spec: own, status: { type: 'object', properties: { ready: { type: 'boolean' } } } },
  },
});
const version = (name: string, more: object) => ({
  name,
  served: true,
  storage: false,
  subresources: { status: {} },
  ...more,
});
const definition = (own: object) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      version('v1', {
        storage: true,
        schema: widgetSchema(own),
        selectableFields: [{ jsonPath: '.spec.colour' }],
        additionalPrinterColumns: [{ name: 'Colour', type: 'string', jsonPath: '.spec.colour' }],
      }),
      version('v1beta1', { schema: widgetSchema({ type: 'object', properties: { size } }) }),
    ],
  },
});
const widget = (name: string, own: object, more: object = {}) =>
  JSON.stringify({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name }, spec: own, ...more });
const read = async (name: string, resource = 'widget') =>
  JSON.parse((await server.kubectl(['get', resource, name, '-o', 'json'])).stdout) as Record<string, unknown>;
const apply = (text: string, ...flags: string[]) => server.kubectl(['apply', '-f', '-', ...flags], text);

beforeAll(async () => {
  server = await startHttpsApiServer();
  await apply(JSON.stringify(definition(spec)));
  await server.kubectl(['wait', '--for=condition=Established', 'crd/widgets.example.com', '--timeout=90s']);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('a definition whose schema is not structural is refused', async () => {
  const refused = definition({ type: 'object', properties: { size: {} } });
  await expect(apply(JSON.stringify(refused))).rejects.toThrow(
    'spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[size].type: Required value: must not be empty for specified object fields',
  );
});

test('an object that does not fit is refused with all errors at once', async () => {
  const bad = widget('bad', { size: 'big', colour: 'green', tags: ['a', 'a'], port: true });
  const error = await server.kubectl(['create', '--validate=false', '-f', '-'], bad).catch(String);
  for (const text of [
    'The Widget "bad" is invalid',
    'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
    'spec.colour: Unsupported value: "green": supported values: "red", "blue"',
    'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    'spec.tags[1]: Duplicate value: "a"',
  ])
    expect(error).toContain(text);
  await expect(apply(widget('bad', {}), '--validate=false')).rejects.toThrow('spec.size: Required value');
});

test('unknown fields are refused, warned of or pruned, as the client asks', async () => {
  const odd = widget('odd', { size: 1, weight: 3 });
  await expect(apply(odd)).rejects.toThrow('unknown field "spec.weight"');
  expect((await apply(odd, '--validate=warn')).stderr).toContain('unknown field "spec.weight"');
  expect(await read('odd')).toMatchObject({ spec: { size: 1, colour: 'blue' } });
  expect((await read('odd'))['spec']).not.toHaveProperty('weight');
});

test('defaults are written, shown in columns and selected by', async () => {
  await apply(widget('plain', { size: 2 }));
  await apply(widget('crimson', { size: 2, colour: 'red' }));
  const { stdout } = await server.kubectl(['get', 'widgets', '--field-selector', 'spec.colour=red']);
  expect(stdout).toMatch(/NAME +COLOUR\ncrimson +red\n/);
  expect(stdout).not.toContain('plain');
});

test('another version shows the fields that it has', async () => {
  await apply(widget('old', { size: 4, tags: ['a'] }));
  const shown = await read('old', 'widgets.v1beta1.example.com');
  expect(shown).toMatchObject({ apiVersion: 'example.com/v1beta1', spec: { size: 4 } });
  expect(shown['spec']).not.toHaveProperty('tags');
});

test('the status is changed apart, and judged', async () => {
  await apply(widget('apart', { size: 1 }, { status: { ready: true } }));
  expect(await read('apart')).not.toHaveProperty('status');
  const patch = (ready: unknown) =>
    server.kubectl([
      'patch',
      'widget',
      'apart',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: { ready } }),
    ]);
  await patch(true);
  expect(await read('apart')).toMatchObject({ status: { ready: true } });
  await expect(patch('yes')).rejects.toThrow('status.ready: Invalid value: "string"');
});

test('kubectl explains it', async () => {
  const { stdout } = await server.kubectl(['explain', 'widget.spec']);
  expect(stdout).toContain('What the widget shall be.');
  expect(stdout).toMatch(/size\s+<integer> -required-\s+How large it is\./);
  expect((await server.kubectl(['explain', 'widget.metadata'])).stdout).toContain('labels');
});

test('a stricter schema does not hold up what stood there before, and a new default shows at once', async () => {
  await apply(widget('grown', { size: 3 }));
  const strict = {
    ...spec,
    properties: { ...spec.properties, size: { ...size, minimum: 10 }, shape: { type: 'string', default: 'round' } },
  };
  await apply(JSON.stringify(definition(strict)));
  await expect.poll(() => read('grown')).toMatchObject({ spec: { size: 3, shape: 'round' } });
  await server.kubectl(['patch', 'widget', 'grown', '--type=merge', '-p', '{"spec":{"colour":"red"}}']);
  await expect(
    server.kubectl(['patch', 'widget', 'grown', '--type=merge', '-p', '{"spec":{"size":4}}']),
  ).rejects.toThrow('spec.size: Invalid value: 4: spec.size in body should be greater than or equal to 10');
});
