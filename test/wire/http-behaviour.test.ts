/** What clients meet at the edges of the protocol: methods and forms that nothing serves, watches in other shapes, texts of refusals. */
import { request } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

let server: HttpsApiServer;
let identity: { certificate: string; key: string };

beforeAll(async () => {
  server = await startHttpsApiServer();
  identity = server.pki.issueClient('asker', { user: 'asker', groups: ['system:masters'] });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

interface Answer {
  code: number;
  retryAfter: string | undefined;
  text: string;
}
interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

function ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}, as = identity): Promise<Answer> {
  const { certificate: cert, key } = as;
  return new Promise((resolve, reject) => {
    const options = { method, headers, ca: server.pki.caCertificate, agent: false, cert, key };
    const sent = request(`${server.url}${path}`, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({
          code: answer.statusCode ?? 0,
          retryAfter: answer.headers['retry-after'],
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const JSON_BODY = { 'content-type': 'application/json' };
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const statusOf = ({ text }: Answer) => JSON.parse(text);
const create = (name: string, more = {}) =>
  ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body: JSON.stringify({ metadata: { name, ...more } }) });

for (const [method, path] of [
  ['PUT', CONFIG_MAPS],
  ['PATCH', CONFIG_MAPS],
  ['HEAD', CONFIG_MAPS],
  ['OPTIONS', CONFIG_MAPS],
  ['POST', `${CONFIG_MAPS}/a`],
  ['POST', '/api/v1/configmaps'],
  ['DELETE', '/api/v1/configmaps'],
  ['DELETE', '/api/v1/namespaces'],
  ['GET', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
  ['DELETE', '/apis/apps/v1/namespaces/default/deployments/a/scale'],
] as const) {
  test(`${method} ${path}: a method without a route`, async () => {
    const answer = await ask(path, { method, headers: JSON_BODY, ...(/^P/.test(method) && { body: '{}' }) });
    expect(answer.code).toBe(405);
    if (method !== 'HEAD')
      expect(statusOf(answer)).toMatchObject({
        status: 'Failure',
        reason: 'MethodNotAllowed',
        message: 'the server does not allow this method on the requested resource',
        code: 405,
      });
  });
}

for (const path of ['/api/v1/namespaces/default/pods/a/nonsense', '/api/v1/nodes/a/scale', `${CONFIG_MAPS}/a/status`]) {
  test(`${path}: a subresource that the kind does not have is a path that nothing serves`, async () => {
    const answer = await ask(path);
    expect(answer.code).toBe(404);
    expect(statusOf(answer).message).toBe('the server could not find the requested resource');
  });
}

test('a watch gives metadata alone to who asks for it, and has no YAML', async () => {
  await create('watched');
  const path = `${CONFIG_MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dwatched`;
  const as = 'as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  const accept = `application/vnd.kubernetes.protobuf;${as},application/json;${as},application/json`;
  const [watched, yaml] = await Promise.all([
    ask(path, { headers: { accept } }),
    ask(path, { headers: { accept: 'application/yaml' } }),
  ]);
  expect(JSON.parse(watched.text.split('\n')[0]!)).toMatchObject({
    type: 'ADDED',
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'watched' } },
  });
  expect(yaml.code).toBe(406);
  expect(parseYaml(yaml.text)).toMatchObject({
    value: {
      message:
        'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    },
  });
});

test('a watch that asks for bookmarks gets one before it times out', async () => {
  const { text } = await ask('/api/v1/namespaces/quiet/secrets?watch=1&timeoutSeconds=3&allowWatchBookmarks=1');
  expect(JSON.parse(text)).toMatchObject({ type: 'BOOKMARK', object: { kind: 'Secret' } });
});

test('a resourceVersion that is no number is refused with one text by get, list and watch', async () => {
  await create('numbered');
  const texts = await Promise.all(
    [`${CONFIG_MAPS}/numbered?`, `${CONFIG_MAPS}?`, `${CONFIG_MAPS}?watch=1&`].map(async (path) => {
      const answer = await ask(`${path}resourceVersion=abc`);
      return `${answer.code} ${statusOf(answer).message}`;
    }),
  );
  const text = '400 resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax';
  expect(texts).toEqual([text, text, text]);
});

test('a resourceVersion in a new object is an error of the server that has no reason', async () => {
  const answer = await create('versioned', { resourceVersion: '5' });
  expect(statusOf(answer)).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'resourceVersion should not be set on objects to be created',
    code: 500,
  });
});

test('a JSON patch that does not fit tells no causes', async () => {
  await create('patched');
  const answer = await ask(`${CONFIG_MAPS}/patched`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json-patch+json' },
    body: '[{"op":"remove","path":"/nonsense"}]',
  });
  expect(statusOf(answer)).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'the server rejected our request due to an error in our request',
    reason: 'Invalid',
    details: {},
    code: 422,
  });
});

const MAP = 'Go value of type map[string]interface {}';

test.each([
  [
    'json-patch',
    '{}',
    '',
    'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  ],
  ['json-patch', '{}', 'Ignore', 'json: cannot unmarshal object into Go value of type jsonpatch.Patch'],
  [
    'json-patch',
    '[{"op":"add","path":1}]',
    'Strict',
    'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string',
  ],
  ['json-patch', '[{]', '', "error decoding patch: invalid character ']' looking for beginning of object key string"],
  ['json-patch', '[{]', 'Ignore', "invalid character ']' looking for beginning of object key string"],
  ['merge-patch', '[]', '', `error decoding patch: json: cannot unmarshal array into ${MAP}`],
  ['merge-patch', '[]', 'Ignore', 'Invalid JSON Patch'],
  ['merge-patch', 'null', '', 'Invalid JSON Patch'],
  ['strategic-merge-patch', '[]', '', `json: cannot unmarshal array into ${MAP}`],
  ['strategic-merge-patch', '{', '', 'unexpected end of JSON input'],
])(
  "a %s that is none (%s, fieldValidation=%s) is refused with its reader's words",
  async (type, body, validation, message) => {
    await create('no-patch');
    const patch = (name: string) =>
      ask(`${CONFIG_MAPS}/${name}?fieldValidation=${validation}`, {
        method: 'PATCH',
        headers: { 'content-type': `application/${type}+json` },
        body,
      });
    expect(statusOf(await patch('no-patch'))).toMatchObject({ code: 400, reason: 'BadRequest', message });
    expect(statusOf(await patch('missing')).code).toBe(404);
  },
);

test("what a JSON patch says twice, or nobody asked for, is warned of and refused as a patch's", async () => {
  await create('odd-patch');
  const patch = (validation: string) =>
    ask(`${CONFIG_MAPS}/odd-patch?fieldValidation=${validation}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json-patch+json' },
      body: '[{"op":"add","op":"add","path":"/data","value":{},"foo":1}]',
    });
  expect((await patch('Warn')).code).toBe(200);
  expect(statusOf(await patch('Strict')).message).toContain(
    'strict decoding error: json patch duplicate field "[0].op", json patch unknown field "[0].foo"',
  );
});

test('a JSON patch finds structs and times that nobody has given', async () => {
  const events = '/api/v1/namespaces/default/events';
  const event = { metadata: { name: 'bare' }, involvedObject: { namespace: 'default' }, type: 'Normal' };
  const made = await ask(events, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(event) });
  expect(JSON.parse(made.text)).toMatchObject({
    source: {},
    firstTimestamp: null,
    lastTimestamp: null,
    eventTime: null,
  });
  const answer = await ask(`${events}/bare`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json-patch+json' },
    body: JSON.stringify([
      { op: 'add', path: '/source/component', value: 'asker' },
      { op: 'replace', path: '/lastTimestamp', value: '2026-01-02T03:04:05Z' },
    ]),
  });
  expect(JSON.parse(answer.text)).toMatchObject({
    source: { component: 'asker' },
    firstTimestamp: null,
    lastTimestamp: '2026-01-02T03:04:05Z',
  });
});

test('a body that is null is an object without anything', async () => {
  const answer = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body: 'null' });
  expect(answer.code).toBe(422);
  expect(statusOf(answer).message).toBe(
    'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  );
});

test('an object that is too large as a whole names no field', async () => {
  const body = JSON.stringify({ metadata: { name: 'large' }, data: { a: 'a'.repeat(1024 * 1024 + 1) } });
  const answer = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body });
  expect(statusOf(answer).message).toBe(
    'ConfigMap "large" is invalid: []: Too long: may not be more than 1048576 bytes',
  );
});

test('an eviction that the budget refuses for good is not to be tried again by the client on its own', async () => {
  const pods = '/api/v1/namespaces/default/pods';
  const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
  const send = (method: string, path: string, body: object) =>
    ask(path, { method, headers: JSON_BODY, body: JSON.stringify(body) });
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const spec = { containers: [{ name: 'c', image: 'x' }] };
  const metadata = { name: 'evicted', labels: { app: 'evicted' } };
  await send('POST', pods, { metadata, spec });
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await send('PUT', `${pods}/evicted/status`, { metadata, spec, status });
  const selector = { matchLabels: { app: 'evicted' } };
  const budget = { metadata: { name: 'b' }, spec: { maxUnavailable: 0, selector } };
  await send('POST', budgets, budget);
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted' } };

  const early = await send('POST', `${pods}/evicted/eviction`, eviction);
  expect([early.code, early.retryAfter]).toEqual([429, '10']);
  const seen = {
    observedGeneration: 1,
    disruptionsAllowed: 0,
    currentHealthy: 1,
    desiredHealthy: 1,
    expectedPods: 1,
  };
  await ask(`${budgets}/b/status`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({ status: seen }),
  });
  const refused = await send('POST', `${pods}/evicted/eviction`, eviction);
  expect([refused.code, refused.retryAfter]).toEqual([429, undefined]);
  expect(statusOf(refused)).toMatchObject({
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [{ message: 'The disruption budget b needs 1 healthy pods and has 1 currently' }] },
  });
});

test('a Scale and the statuses of components are shown in the columns that people know', async () => {
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1,application/json';
  const tableAt = async (path: string) => JSON.parse((await ask(path, { headers: { accept } })).text);
  const columns = ({ columnDefinitions }: { columnDefinitions: { name: string }[] }) =>
    columnDefinitions.map(({ name }) => name);
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const labels = { app: 'scaled' };
  const spec = {
    replicas: 3,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'a' }] } },
  };
  const body = JSON.stringify({ metadata: { name: 'scaled' }, spec });
  expect((await ask(deployments, { method: 'POST', headers: JSON_BODY, body })).code).toBe(201);
  const scale = await tableAt(`${deployments}/scaled/scale`);
  expect([scale.kind, columns(scale)]).toEqual(['Table', ['Name', 'Desired', 'Available', 'Age']]);
  expect(scale.rows[0].cells.slice(0, 3)).toEqual(['scaled', 3, 0]);
  const components = await tableAt('/api/v1/componentstatuses');
  expect([components.kind, columns(components)]).toEqual(['Table', ['Name', 'Status', 'Message', 'Error']]);
});

test('who asks for an unsafe deletion gets an ordinary one, as upstream gives without its alpha gate', async () => {
  const unsafe = { ignoreStoreReadErrorWithClusterBreakingPotential: true };
  const remove = (path: string, options: object) => {
    const body = JSON.stringify({ ...unsafe, ...options });
    const headers = { ...JSON_BODY, 'content-length': String(body.length) }; // Node.js frames bodies of DELETE only so
    return ask(path, { method: 'DELETE', headers, body });
  };
  await create('kept', { finalizers: ['example.com/hold'], labels: { kept: 'yes' } });
  const refused = await remove(`${CONFIG_MAPS}/kept`, { preconditions: { uid: 'another' } });
  expect(statusOf(refused)).toMatchObject({ code: 409, reason: 'Conflict' });
  const both = { propagationPolicy: 'Orphan', orphanDependents: true };
  expect(statusOf(await remove(`${CONFIG_MAPS}/kept`, both))).toMatchObject({ code: 422, reason: 'Invalid' });
  const held = await ask(`${CONFIG_MAPS}/kept?${Object.keys(unsafe)[0]}=true`, { method: 'DELETE' });
  expect([held.code, JSON.parse(held.text).metadata]).toEqual([
    200,
    expect.objectContaining({ deletionTimestamp: expect.any(String), finalizers: ['example.com/hold'] }),
  ]);
  expect((await remove(`${CONFIG_MAPS}?labelSelector=kept=yes`, {})).code).toBe(200);
  expect((await ask(`${CONFIG_MAPS}/kept`)).code).toBe(200);
});

test('a number that is none in the query of a deletion is refused', async () => {
  await create('in-a-hurry');
  const refused = await ask(`${CONFIG_MAPS}/in-a-hurry?gracePeriodSeconds=soon`, { method: 'DELETE' });
  expect(statusOf(refused)).toMatchObject({
    code: 400,
    reason: 'BadRequest',
    message: 'strconv.ParseInt: parsing "soon": invalid syntax',
  });
  expect((await ask(`${CONFIG_MAPS}/in-a-hurry`)).code).toBe(200);
});

test('/metrics tells how requests were authenticated, authorised and admitted', async () => {
  await create('measured');
  const refused = await create('measured', { namespace: 'elsewhere' });
  expect(refused.code).toBe(400);
  expect((await ask('/api/v1/nodes', { headers: { authorization: 'Bearer nonsense' } })).code).toBe(200); // by certificate
  const stranger = server.pki.issueClient('stranger', { user: 'someone@example.com', groups: [] });
  expect((await ask('/api/v1/nodes', {}, stranger)).code).toBe(403);
  expect((await ask('/version', {}, stranger)).code).toBe(200);
  const lines = (await ask('/metrics')).text.split('\n');
  const told = (series: string) => Number(lines.find((line) => line.startsWith(`${series} `))?.split(' ')[1] ?? 0);
  for (const series of [
    'authentication_attempts{result="success"}',
    'authentication_duration_seconds_count{result="success"}',
    'authenticated_user_requests{username="other"}',
    'authenticated_user_requests{username="email_id"}',
    'authorization_attempts_total{result="allowed"}',
    'authorization_attempts_total{result="no-opinion"}',
    'authorization_duration_seconds_bucket{le="0.001",result="allowed"}',
    'apiserver_authorization_decisions_total{type="RBAC",name="rbac",decision="allowed"}',
    'apiserver_admission_step_admission_duration_seconds_count{type="admit",operation="CREATE",rejected="false"}',
    'apiserver_admission_step_admission_duration_seconds_count{type="validate",operation="CREATE",rejected="false"}',
    'apiserver_admission_controller_admission_duration_seconds_bucket{le="2.5",name="NamespaceLifecycle",type="validate",operation="CREATE",rejected="false"}',
  ])
    expect([series, told(series)]).toEqual([series, expect.toSatisfy((value: number) => value > 0)]);
});

test('/metrics tells how many objects there are, and what this build is', async () => {
  await create('counted');
  const { text } = await ask('/metrics');
  const numberAt = (series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(series))
        ?.split(' ')
        .at(-1),
    );
  expect(numberAt('apiserver_storage_objects{resource="configmaps"}')).toBeGreaterThan(0);
  expect(numberAt('apiserver_storage_objects{resource="clusterroles.rbac.authorization.k8s.io"}')).toBeGreaterThan(50);
  expect(numberAt('apiserver_resource_objects{group="",resource="configmaps"}')).toBeGreaterThan(0);
  expect(numberAt('apiserver_resource_size_estimate_bytes{group="",resource="configmaps"}')).toBeGreaterThan(100);
  expect((await ask(`${CONFIG_MAPS}/counted`)).code).toBe(200);
  const sizes = (await ask('/metrics')).text.split('\n').filter((line) => line.startsWith('apiserver_response_sizes_'));
  const sum = sizes.find((line) => /_sum\{verb="GET",[^}]*resource="configmaps"/.test(line));
  expect(Number(sum?.split(' ').at(-1))).toBeGreaterThan(100);
  expect(text).toMatch(/^kubernetes_build_info\{major="1",minor="36",git_version="v1\.36\.0[^}]*\} 1$/m);
});

test('/metrics/slis tells how the checks of health went', async () => {
  expect((await ask('/readyz')).code).toBe(200);
  const lines = (await ask('/metrics/slis')).text.split('\n');
  expect(lines).toContain('kubernetes_healthcheck{name="ping",type="readyz"} 1');
  const total = lines.find((line) =>
    line.startsWith('kubernetes_healthchecks_total{name="ping",type="readyz",status="success"} '),
  );
  expect(Number(total?.split(' ').at(-1))).toBeGreaterThan(0);
  expect(lines.some((line) => /^process_start_time_seconds \d/.test(line))).toBe(true);
});

test('rows of a Table have the object that includeObject asks for', async () => {
  await create('included');
  const accept = 'application/json;as=Table;g=meta.k8s.io;v=v1';
  const table = (query: string) =>
    ask(`${CONFIG_MAPS}?fieldSelector=metadata.name=included&${query}`, { headers: { accept } });
  const rowOf = async (query: string) => JSON.parse((await table(query)).text).rows[0].object;
  expect(await rowOf('')).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'included' } });
  expect(await rowOf('includeObject=Metadata')).toMatchObject({ kind: 'PartialObjectMetadata' });
  expect(await rowOf('includeObject=Object')).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'included' } });
  expect((await rowOf('includeObject=None')) ?? null).toBe(null);
  const refusal = {
    code: 400,
    reason: 'BadRequest',
    message: `Unable to convert to Table as requested: includeObject: Invalid value: "Nonsense": must be 'Metadata', 'Object', 'None', or empty`,
  };
  for (const more of ['', '&limit=1', '&watch=1'])
    expect(statusOf(await table(`includeObject=Nonsense${more}`))).toMatchObject(refusal);
  const one = await ask(`${CONFIG_MAPS}/included?includeObject=Nonsense`, { headers: { accept } });
  expect(statusOf(one)).toMatchObject(refusal);
});

test('keys of ServiceAccount tokens are told under two addresses, as who may read discovery finds them', async () => {
  const discovery = JSON.parse((await ask('/.well-known/openid-configuration')).text);
  expect(discovery).toMatchObject({
    issuer: expect.stringMatching(/^https:/),
    jwks_uri: expect.stringMatching(/\/openid\/v1\/jwks$/),
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
  });
  const { keys } = JSON.parse((await ask('/openid/v1/jwks')).text);
  expect(keys).not.toHaveLength(0);
  for (const key of keys) expect(key).toMatchObject({ use: 'sig', kid: expect.any(String), alg: expect.any(String) });
  for (const key of keys) expect(key).not.toHaveProperty('d');
});
