/**
 * What `fieldValidation` says of fields that are unknown or stand twice, by verb, encoding and kind. Source: API concepts, "Field
 * validation"; the texts are those of kube-apiserver v1.36.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { type Answer, RawClient, statusOf } from '../integration/raw-client.ts';

let server: HttpsApiServer;
let client: RawClient;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = new RawClient(server);
  const text = { type: 'string' };
  const port = { type: 'object', properties: { name: text, hostPort: { type: 'integer' } } };
  const spec = { type: 'object', properties: { text, ports: { type: 'array', items: port } } };
  const definition = {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  };
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  expect((await client.ask(path, { method: 'POST', body: JSON.stringify(definition) })).code).toBe(201);
  await vi.waitFor(async () => expect((await client.ask(THINGS)).code).toBe(200), 30_000);
  expect((await client.ask(DEPLOYMENTS, { method: 'POST', body: deployment('standing') })).code).toBe(201);
  expect((await client.ask(THINGS, { method: 'POST', body: thing('standing') })).code).toBe(201);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const THINGS = '/apis/example.com/v1/namespaces/default/things';
const CONTAINER = 'spec.template.spec.containers[0]';

/** JSON as text, for keys stand twice in it. */
const deployment = (name: string, wrong: { spec?: string; container?: string } = {}) => `{
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "${name}" },
  "spec": { ${wrong.spec ?? ''}
    "selector": { "matchLabels": { "app": "a" } },
    "template": {
      "metadata": { "labels": { "app": "a" } },
      "spec": { "containers": [{ "name": "c", "image": "a:1"${wrong.container ?? ''} }] } } } }`;
const WRONG = {
  spec: '"unknown": "1", "unknownTwice": "1", "unknownTwice": "2", "paused": true, "paused": false,',
  container: ', "unknownNested": "1", "imagePullPolicy": "Always", "imagePullPolicy": "Never"',
};
const YAML = (name: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  unknown: "1"
  unknownTwice: "1"
  unknownTwice: "2"
  paused: true
  paused: false
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      containers:
      - name: c
        image: a:1
        unknownNested: "1"
        imagePullPolicy: Always
        imagePullPolicy: Never
`;
const thing = (name: string, wrong = { spec: '', port: '' }) => `{
  "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "${name}" },
  "spec": { ${wrong.spec} "text": "1", "ports": [{ "name": "p", "hostPort": 1${wrong.port} }] } }`;
const WRONG_THING = {
  spec: '"unknown": "1", "unknownTwice": "1", "unknownTwice": "2", "text": "0",',
  port: ', "hostPort": 2, "unknownNested": "1"',
};

const PATCH = {
  spec: `{ "spec": { ${WRONG.spec} "template": { "spec": { "containers": [{ "name": "c", "image": "a:1"${WRONG.container} }] } } } }`,
};
const THING_PATCH = `{ "spec": { ${WRONG_THING.spec} "text": "1", "ports": [{ "name": "p", "hostPort": 1${WRONG_THING.port} }] } }`;

const ofJson = [
  'unknown field "spec.unknown"',
  'unknown field "spec.unknownTwice"',
  'duplicate field "spec.paused"',
  `unknown field "${CONTAINER}.unknownNested"`,
  `duplicate field "${CONTAINER}.imagePullPolicy"`,
];
const unknown = [
  `unknown field "${CONTAINER}.unknownNested"`,
  'unknown field "spec.unknown"',
  'unknown field "spec.unknownTwice"',
];
const ofYaml = [
  'line 7: key "unknownTwice" already set in map',
  'line 9: key "paused" already set in map',
  'line 19: key "imagePullPolicy" already set in map',
  ...unknown,
];
const ofPatch = [
  'duplicate field "spec.unknownTwice"',
  'duplicate field "spec.paused"',
  `duplicate field "${CONTAINER}.imagePullPolicy"`,
  ...unknown,
];
const ofThing = [
  'duplicate field "spec.unknownTwice"',
  'duplicate field "spec.text"',
  'duplicate field "spec.ports[0].hostPort"',
  'unknown field "spec.ports[0].unknownNested"',
  'unknown field "spec.unknown"',
  'unknown field "spec.unknownTwice"',
];

interface Case {
  what: string;
  method: string;
  path: string;
  type: string;
  body: string;
  told: readonly string[];
}
const json = 'application/json';
const yaml = 'application/yaml';
const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const one = `${DEPLOYMENTS}/standing`;
const oneThing = `${THINGS}/standing`;
const CASES: readonly Case[] = [
  { what: 'create', method: 'POST', path: DEPLOYMENTS, type: json, body: deployment('new', WRONG), told: ofJson },
  { what: 'create in YAML', method: 'POST', path: DEPLOYMENTS, type: yaml, body: YAML('new'), told: ofYaml },
  { what: 'update', method: 'PUT', path: one, type: json, body: deployment('standing', WRONG), told: ofJson },
  { what: 'update in YAML', method: 'PUT', path: one, type: yaml, body: YAML('standing'), told: ofYaml },
  { what: 'merge patch', method: 'PATCH', path: one, type: merge, body: PATCH.spec, told: ofPatch },
  { what: 'strategic merge patch', method: 'PATCH', path: one, type: strategic, body: PATCH.spec, told: ofPatch },
  {
    what: 'create of a custom kind',
    method: 'POST',
    path: THINGS,
    type: json,
    body: thing('new', WRONG_THING),
    told: ofThing,
  },
  {
    what: 'merge patch of a custom kind',
    method: 'PATCH',
    path: oneThing,
    type: merge,
    body: THING_PATCH,
    told: ofThing,
  },
];

const send = ({ method, path, type, body }: Case, validation: string) =>
  client.ask(`${path}?dryRun=All${validation && `&fieldValidation=${validation}`}`, {
    method,
    body,
    headers: { 'content-type': type },
  });
/** Node.js joins headers of the same name. */
const warningsOf = ({ headers }: Answer) =>
  [...String(headers['warning'] ?? '').matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text]) =>
    text!.replaceAll(/\\(.)/g, '$1'),
  );

describe.each(CASES)('$what', (sent) => {
  test('Strict refuses it with all of them', async () => {
    const answer = await send(sent, 'Strict');
    expect(answer.code, answer.text).toBe(sent.method === 'PATCH' ? 422 : 400);
    const { message } = statusOf(answer);
    const lines = sent.told.filter((text) => text.startsWith('line '));
    const yaml = lines.length > 0 ? [`yaml: unmarshal errors:\n  ${lines.join('\n  ')}`] : [];
    const others = sent.told.filter((text) => !text.startsWith('line '));
    expect(message.slice(message.indexOf('strict decoding error'))).toBe(
      `strict decoding error: ${[...yaml, ...others].join(', ')}`,
    );
  });

  test.each(['Warn', ''])('%s warns of each', async (validation) => {
    const answer = await send(sent, validation);
    expect([200, 201]).toContain(answer.code);
    expect(warningsOf(answer)).toEqual(sent.told);
  });

  test('Ignore says nothing', async () => {
    const answer = await send(sent, 'Ignore');
    expect([200, 201]).toContain(answer.code);
    expect(warningsOf(answer)).toEqual([]);
  });
});

test('an apply names unknown fields whatever the validation, and duplicates as it is asked to', async () => {
  const apply = (body: string, validation: string) =>
    client.ask(`${DEPLOYMENTS}/applied?fieldManager=me&dryRun=All&fieldValidation=${validation}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body,
    });
  const twice = deployment('applied', { spec: '"paused": false, "paused": true,' });
  const strict = await apply(twice, 'Strict');
  expect([strict.code, statusOf(strict).message]).toEqual([
    400,
    `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 3: key "paused" already set in map`,
  ]);
  const warned = await apply(twice, 'Warn');
  expect(warned.code).toBe(201);
  expect(warningsOf(warned)).toEqual(['line 3: key "paused" already set in map']);
  const ignored = await apply(twice, 'Ignore');
  expect([ignored.code, warningsOf(ignored)]).toEqual([201, []]);
  const lost = await apply(deployment('applied', { spec: '"lost": 1,' }), 'Ignore');
  expect([lost.code, statusOf(lost).message]).toEqual([
    500,
    'failed to create typed patch object (default/applied; apps/v1, Kind=Deployment): .spec.lost: field not declared in schema',
  ]);
});

test('a strategic merge patch that is refused is shown as Go prints it', async () => {
  const body = '{"spec":{"paused":true,"lost":[1,{"a":"x"}]}}';
  const answer = await send({ ...CASES[5]!, body }, 'Strict');
  expect(statusOf(answer).message).toBe(
    ' "" is invalid: patch: Invalid value: "map[spec:map[lost:[1 map[a:x]] paused:true]]": strict decoding error: unknown field "spec.lost"',
  );
});

test('a validation that there is none of is refused by each verb', async () => {
  for (const [sent, kind] of [
    [CASES[0]!, 'CreateOptions'],
    [CASES[2]!, 'UpdateOptions'],
    [CASES[4]!, 'PatchOptions'],
  ] as const) {
    const answer = await send(sent, 'Loud');
    expect([answer.code, statusOf(answer).message]).toEqual([
      422,
      `${kind}.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Loud": supported values: "", "Ignore", "Strict", "Warn"`,
    ]);
  }
});
