/** Rules in CEL of custom resources, as stock kubectl meets them: when they are defined and when an object breaks them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;

const spec = {
  type: 'object',
  required: ['replicas', 'minReplicas'],
  'x-kubernetes-validations': [
    {
      rule: 'self.minReplicas <= self.replicas',
      messageExpression: "has(self.zone) ? 'too few replicas in zone ' + self.zone : 'too few replicas'",
      fieldPath: '.replicas',
    },
    { rule: '!has(oldSelf.zone) || has(self.zone)', message: 'zone cannot be taken away' },
  ],
  properties: {
    replicas: { type: 'integer' },
    minReplicas: { type: 'integer', default: 1 },
    zone: {
      type: 'string',
      'x-kubernetes-validations': [
        { rule: 'self == oldSelf', message: 'zone is immutable', reason: 'FieldValueForbidden' },
      ],
    },
    until: { type: 'string', format: 'date-time' },
    memory: {
      'x-kubernetes-int-or-string': true,
      'x-kubernetes-validations': [
        {
          rule: "isQuantity(string(self)) && quantity(string(self)).isLessThan(quantity('1Gi'))",
          message: 'too much memory',
        },
      ],
    },
    hosts: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'set',
      items: {
        type: 'string',
        maxLength: 253,
        'x-kubernetes-validations': [{ rule: "self.endsWith('.example.com')" }],
      },
    },
    ports: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name', 'port'],
        properties: { name: { type: 'string' }, port: { type: 'integer' } },
        'x-kubernetes-validations': [{ rule: 'self.port >= oldSelf.port', message: 'ports only grow' }],
      },
    },
  },
};
const status = {
  type: 'object',
  properties: { ready: { type: 'integer' } },
};
const definition = (name: string, specSchema: object, rules: object[] = []) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${name}s.rules.example.com` },
  spec: {
    group: 'rules.example.com',
    scope: 'Namespaced',
    names: { plural: `${name}s`, singular: name, kind: `${name[0]!.toUpperCase()}${name.slice(1)}` },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            'x-kubernetes-validations': rules,
            properties: { spec: specSchema, status },
          },
        },
      },
    ],
  },
});
const ROOT = {
  rule: '!has(self.status) || self.status.ready <= self.spec.replicas',
  message: 'more ready than there are',
};
const scaler = (name: string, own: object, more: object = {}) =>
  JSON.stringify({
    apiVersion: 'rules.example.com/v1',
    kind: 'Scaler',
    metadata: { name },
    spec: { replicas: 3, minReplicas: 1, ...own },
    ...more,
  });
const apply = (text: string, ...flags: string[]) => server.kubectl(['apply', '-f', '-', ...flags], text);
const refused = (own: object, name = 'bad') => server.kubectl(['create', '-f', '-'], scaler(name, own)).catch(String);
const define = (one: object) => server.kubectl(['create', '-f', '-'], JSON.stringify(one));

beforeAll(async () => {
  server = await startHttpsApiServer();
  await define(
    definition('scaler', spec, [ROOT, { rule: "self.metadata.name.startsWith('a') || self.spec.replicas < 100" }]),
  );
  await server.kubectl(['wait', '--for=condition=Established', 'crd/scalers.rules.example.com', '--timeout=90s']);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('a rule that does not compile is refused with what the compiler says', async () => {
  const bad = {
    type: 'object',
    properties: { n: { type: 'integer' } },
    'x-kubernetes-validations': [{ rule: 'self.m > 1' }],
  };
  await expect(define(definition('broken', bad))).rejects.toThrow(
    /The CustomResourceDefinition "brokens.rules.example.com" is invalid: spec.validation.openAPIV3Schema.properties\[spec\].x-kubernetes-validations\[0\].rule: Invalid value: \{"Rule":"self.m \\u003e 1",.*\}: compilation failed: ERROR: <input>:1:5: undefined field 'm'\n \| self.m > 1\n \| ....\^/,
  );
});

test('a rule that may cost too much is refused', async () => {
  const bad = {
    type: 'object',
    properties: {
      a: {
        type: 'array',
        items: { type: 'string' },
        'x-kubernetes-validations': [{ rule: 'self.all(x, self.all(y, x == y))' }],
      },
    },
  };
  await expect(define(definition('costly', bad))).rejects.toThrow(
    'spec.validation.openAPIV3Schema.properties[spec].properties[a].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)',
  );
});

test('an object that breaks rules is told all of them', async () => {
  const error = await refused({
    replicas: 1,
    minReplicas: 2,
    zone: 'a',
    memory: '2Gi',
    hosts: ['a.example.com', 'b.example.org'],
  });
  for (const text of [
    'The Scaler "bad" is invalid:',
    'spec.replicas: Invalid value: too few replicas in zone a',
    'spec.memory: Invalid value: "2Gi": too much memory',
    `spec.hosts[1]: Invalid value: "b.example.org": failed rule: self.endsWith('.example.com')`,
  ])
    expect(error).toContain(text);
  expect(error).not.toContain('hosts[0]');
  expect(await refused({ replicas: 200 })).toContain(
    `<nil>: Invalid value: failed rule: self.metadata.name.startsWith('a')`,
  );
});

test('an object that is not of its schema is not shown to rules', async () => {
  const error = await server
    .kubectl(['create', '--validate=false', '-f', '-'], scaler('bad', { replicas: 'many' }))
    .catch(String);
  expect(error).toContain(
    'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
  );
  expect(error).toContain(
    '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  );
});

test('rules compare an object with what it was', async () => {
  await apply(
    scaler('grown', {
      zone: 'a',
      ports: [
        { name: 'http', port: 80 },
        { name: 'tls', port: 443 },
      ],
    }),
  );
  const error = await apply(
    scaler('grown', {
      zone: 'b',
      ports: [
        { name: 'tls', port: 442 },
        { name: 'http', port: 81 },
      ],
    }),
  ).catch(String);
  expect(error).toContain('spec.zone: Forbidden: zone is immutable');
  expect(error).toContain('spec.ports[0]: Invalid value: ports only grow');
  expect(error).not.toContain('spec.ports[1]');
  const without = await apply(scaler('grown', {})).catch(String);
  expect(without).toContain('spec: Invalid value: zone cannot be taken away');
});

test('rules of the whole hold for the status', async () => {
  await apply(scaler('ready', { replicas: 2 }));
  const patch = (ready: number) =>
    server.kubectl([
      'patch',
      'scaler',
      'ready',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: { ready } }),
    ]);
  await expect(patch(3)).rejects.toThrow('<nil>: Invalid value: more ready than there are');
  await patch(2);
});

test('what a new rule forbids may stay as it is, with a warning', async () => {
  await apply(scaler('kept', { memory: '512Mi' }));
  const stricter = {
    ...spec,
    properties: {
      ...spec.properties,
      memory: {
        'x-kubernetes-int-or-string': true,
        'x-kubernetes-validations': [{ rule: "self == '1Mi'", message: 'one is enough' }],
      },
    },
  };
  await apply(JSON.stringify(definition('scaler', stricter, [ROOT])));
  await expect
    .poll(() =>
      server.kubectl(['create', '--dry-run=server', '-f', '-'], scaler('probe', { memory: '2Mi' })).catch(String),
    )
    .toContain('spec.memory: Invalid value: "2Mi": one is enough');
  const { stderr } = await apply(scaler('kept', { memory: '512Mi', replicas: 4 }));
  expect(stderr).toContain('Warning: spec.memory: Invalid value: "512Mi": one is enough');
  const changed = await apply(scaler('kept', { memory: '511Mi', replicas: 4 })).catch(String);
  expect(changed).toContain('spec.memory: Invalid value: "511Mi": one is enough');
});

test('a rule that costs too much on one object refuses it, and the server goes on', async () => {
  const many = {
    type: 'object',
    properties: {
      list: {
        type: 'array',
        maxItems: 1000,
        items: { type: 'integer' },
        'x-kubernetes-validations': [{ rule: 'self.all(x, self.all(y, x + y >= 0))', message: 'too much' }],
      },
    },
  };
  await define(definition('many', many));
  await server.kubectl(['wait', '--for=condition=Established', 'crd/manys.rules.example.com', '--timeout=90s']);
  const object = (length: number) =>
    JSON.stringify({
      apiVersion: 'rules.example.com/v1',
      kind: 'Many',
      metadata: { name: 'm' },
      spec: { list: Array.from({ length }, (_, i) => i) },
    });
  await expect(server.kubectl(['create', '-f', '-'], object(1000))).rejects.toThrow(
    `spec.list: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: too much`,
  );
  await server.kubectl(['create', '-f', '-'], object(10));
});

test('a resource inside another must be one, on create and on update', async () => {
  const template = {
    type: 'object',
    'x-kubernetes-embedded-resource': true,
    'x-kubernetes-preserve-unknown-fields': true,
  };
  await define(definition('holder', { type: 'object', properties: { template } }));
  await server.kubectl(['wait', '--for=condition=Established', 'crd/holders.rules.example.com', '--timeout=90s']);
  const holder = (inner: object) =>
    JSON.stringify({
      apiVersion: 'rules.example.com/v1',
      kind: 'Holder',
      metadata: { name: 'a' },
      spec: { template: inner },
    });
  const create = (inner: object) => server.kubectl(['create', '-f', '-', '--validate=false'], holder(inner));
  await expect(create({ kind: 'Pod', spec: { any: 1 } })).rejects.toThrow(
    'The Holder "a" is invalid: spec.template.apiVersion: Required value',
  );
  await expect(create({ apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 1 } } })).rejects.toThrow(
    'Holder in version "v1" cannot be handled as a Holder: spec.template.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string',
  );
  await create({ apiVersion: 'v1', kind: 'Pod', spec: { any: 1 } });
  await expect(
    server.kubectl(['patch', 'holder', 'a', '--type=merge', '-p', '{"spec":{"template":{"kind":"%"}}}']),
  ).rejects.toThrow('spec.template.kind: Invalid value: "%": may have mixed case, but should otherwise match');
});
