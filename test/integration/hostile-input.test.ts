/**
 * What bad input gets: the right Status, nothing stored, the process unharmed. Bodies, patches, paths, tokens, selectors.
 * The other half, what comes from networks, is in `hostile-input-network.test.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { type Answer, type Ask, RawClient, statusOf } from './raw-client.ts';

let server: HttpsApiServer;
let raw: RawClient;

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

beforeAll(async () => {
  server = await startHttpsApiServer();
  raw = new RawClient(server);
  await create({ metadata: { name: 'base' }, data: { a: '1' } });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const send = (body: string | Uint8Array, type = 'application/json'): Ask => ({
  method: 'POST',
  body,
  headers: { 'content-type': type },
});
const patch = (body: string, type: string): Ask => ({ method: 'PATCH', body, headers: { 'content-type': type } });
const create = (object: object) => raw.ask(CONFIG_MAPS, send(JSON.stringify(object)));
const nested = (depth: number, open: string, close: string, core = '1') =>
  open.repeat(depth) + core + close.repeat(depth);
const brief = (answer: Answer): [number, string | undefined, string] => {
  const { reason, message } = statusOf(answer);
  return [answer.code, reason, message];
};

const storedNames = async (): Promise<string[]> =>
  JSON.parse((await raw.ask(CONFIG_MAPS)).text).items.map((item: { metadata: { name: string } }) => item.metadata.name);
const base = async () => JSON.parse((await raw.ask(`${CONFIG_MAPS}/base`)).text);

/** After each test: it answers, nothing was left behind, nobody's prototype has changed. */
afterEach(async () => {
  expect((await raw.ask('/livez')).text).toBe('ok');
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

describe('bodies', () => {
  const large = 'x'.repeat(3 * 1024 * 1024 + 1);

  test.each([
    ['said to be', {}],
    ['that turn out to be', { 'transfer-encoding': 'chunked' }],
  ])('%s larger than 3 MiB are refused', async (_, headers) => {
    const answer = await raw.ask(CONFIG_MAPS, {
      method: 'POST',
      body: large,
      headers: { 'content-type': 'application/json', ...headers },
    });
    expect(brief(answer)).toEqual([413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728']);
  });

  test('nesting without end is refused in every encoding', async () => {
    const unrecognized = 'the object provided is unrecognized (must be of type ConfigMap): ';
    const json = `{"metadata":{"name":"deep"},"data":${nested(100_000, '{"a":', '}')}}`;
    expect(brief(await raw.ask(CONFIG_MAPS, send(json)))).toEqual([
      400,
      'BadRequest',
      `${unrecognized}couldn't get version/kind; json parse error: exceeded max depth`,
    ]);
    const yaml = `metadata: {name: deep}\nx: ${nested(50_000, '[', ']', '')}`;
    expect(brief(await raw.ask(CONFIG_MAPS, send(yaml, 'application/yaml')))).toEqual([
      400,
      'BadRequest',
      `${unrecognized}error converting YAML to JSON: yaml: exceeded max depth of 1000`,
    ]);
    expect(await storedNames()).not.toContain('deep');
  });

  test('protobuf nested without end is refused', async () => {
    let schema: Buffer = Buffer.alloc(0);
    const field = (number: number, content: Buffer) => {
      const length: number[] = [];
      for (let rest = content.length; ; rest >>>= 7) {
        if (rest < 0x80) {
          length.push(rest);
          break;
        }
        length.push((rest & 0x7f) | 0x80);
      }
      const tag = (number << 3) | 2;
      const tagBytes = tag < 0x80 ? [tag] : [(tag & 0x7f) | 0x80, tag >>> 7];
      return Buffer.concat([Buffer.from(tagBytes), Buffer.from(length), content]);
    };
    for (let depth = 0; depth < 2_000; depth++) schema = field(28, schema); // JSONSchemaProps.not
    const version = field(4, field(1, schema));
    const spec = Buffer.concat([field(1, Buffer.from('x.io')), field(7, version)]);
    const definition = Buffer.concat([field(1, field(1, Buffer.from('deep.x.io'))), field(2, spec)]);
    const typeMeta = Buffer.concat([
      field(1, Buffer.from('apiextensions.k8s.io/v1')),
      field(2, Buffer.from('CustomResourceDefinition')),
    ]);
    const body = Buffer.concat([Buffer.from('k8s\0'), field(1, typeMeta), field(2, definition)]);
    const answer = await raw.ask('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
    });
    expect(brief(answer).slice(0, 2)).toEqual([400, 'BadRequest']);
  });

  test('aliases that would unfold to a large object are refused', async () => {
    const letters = 'bcdefghij'.split('');
    const nine = (name: string) => `[${Array(9).fill(`*${name}`).join(',')}]`;
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...letters.map((name, i) => `${name}: &${name} ${nine('abcdefghij'[i]!)}`),
      'metadata: {name: bomb}',
      'kind: ConfigMap',
      'apiVersion: v1',
    ].join('\n');
    const problem = 'error converting YAML to JSON: yaml: document contains excessive aliasing';
    expect(brief(await raw.ask(CONFIG_MAPS, send(bomb, 'application/yaml')))).toEqual([
      400,
      'BadRequest',
      `the object provided is unrecognized (must be of type ConfigMap): ${problem}`,
    ]);
    expect(brief(await raw.ask(`${CONFIG_MAPS}/bomb?fieldManager=x`, patch(bomb, APPLY_PATCH)))).toEqual([
      400,
      'BadRequest',
      `error decoding YAML: ${problem}`,
    ]);
    const recursive = await raw.ask(CONFIG_MAPS, send('metadata: &m {name: bomb, x: *m}', 'application/yaml'));
    expect(recursive.code).toBe(400);
    expect(await storedNames()).not.toContain('bomb');
  });

  test.each([
    ['not UTF-8', Buffer.from('7b226d65746164617461223a7b226e616d65223a22fffe227d7d', 'hex')],
    ['nothing', ''],
    ['a list', '[]'],
    ['a number', '1'],
    ['half an object', '{"metadata":{"name":"half"'],
    ['a number that is none', '{"metadata":{"name":"n","generation":1e400}}'],
  ])('%s is a bad request', async (_, body) => {
    expect(brief(await raw.ask(CONFIG_MAPS, send(body))).slice(0, 2)).toEqual([400, 'BadRequest']);
  });

  test('thousands of keys, duplicates and unknown fields cost as much as they are long', async () => {
    const many = (line: (i: number) => string, end = '\n') =>
      Array.from({ length: 30_000 }, (_, i) => line(i)).join(end);
    const yaml = `metadata: {name: many}\ndata:\n${many((i) => `  k${i % 7}: v`)}`;
    const duplicates = await raw.ask(`${CONFIG_MAPS}?fieldValidation=Strict`, send(yaml, 'application/yaml'));
    expect(duplicates.code).toBe(400);
    expect(duplicates.text.length).toBeLessThan(20_000);
    const json = `{"metadata":{"name":"many"},${many((i) => `"k${i}":1`, ',')}}`;
    const unknown = await raw.ask(`${CONFIG_MAPS}?fieldValidation=Strict`, send(json));
    expect(unknown.code).toBe(400);
    expect(unknown.text.length).toBeLessThan(20_000);
    const labels = Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`k${i}-`, 'v!']));
    const refused = await create({ metadata: { name: 'many', labels } });
    expect(refused.code).toBe(422);
    expect(JSON.parse(refused.text).details.causes).toHaveLength(1000);
    expect(await storedNames()).not.toContain('many');
  });

  test('one long list that breaks a rule many times is shown once, and short', async () => {
    const ownerReferences = Array.from({ length: 10_000 }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'X',
      name: `n${i}`,
      uid: `u${i}`,
      controller: true,
    }));
    const refused = await create({ metadata: { name: 'owned', ownerReferences } });
    expect(refused.code).toBe(422);
    expect(refused.text.length).toBeLessThan(100_000);
    expect(statusOf(refused).message).toContain(
      'Only one reference can have Controller set to true. Found "true" in references for X/n0 and X/n1',
    );
  });
});

describe('patches', () => {
  const ask = (body: string, type: string, name = 'base') => raw.ask(`${CONFIG_MAPS}/${name}`, patch(body, type));
  const operations = (count: number, one: (i: number) => object) =>
    JSON.stringify(Array.from({ length: count }, (_, i) => one(i)));

  test('of 10,001 operations is too large; 10,000 are carried out, on one map as on one place', async () => {
    const set = (i: number) => ({ op: 'add', path: '/data/a', value: String(i) });
    expect(brief(await ask(operations(10_001, set), JSON_PATCH))).toEqual([
      413,
      'RequestEntityTooLarge',
      'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    ]);
    expect((await ask(operations(10_000, set), JSON_PATCH)).code).toBe(200);
    expect((await base()).data).toEqual({ a: '9999' });
    const add = (i: number) => ({ op: 'add', path: `/data/k${i}`, value: 'x' });
    expect((await ask(operations(10_000, add), JSON_PATCH)).code).toBe(200);
    const remove = (i: number) => ({ op: 'remove', path: `/data/k${i}` });
    expect((await ask(operations(10_000, remove), JSON_PATCH)).code).toBe(200);
    expect((await base()).data).toEqual({ a: '9999' });
  });

  test('whose copies add up to more than 3 MiB do not fit', async () => {
    const copies = [
      { op: 'add', path: '/data/x', value: { v: 'y'.repeat(1000) } },
      ...Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/data/x', path: `/data/x/c${i}` })),
    ];
    const before = await base();
    expect(brief(await ask(JSON.stringify(copies), JSON_PATCH))).toEqual([
      422,
      'Invalid',
      'the server rejected our request due to an error in our request',
    ]);
    expect(await base()).toEqual(before);
  });

  test('nested without end are refused, as are pointers of that kind', async () => {
    const value = nested(100_000, '[', ']', '');
    const pointer = '/a'.repeat(100_000);
    const bodies: [string, string][] = [
      [`[{"op":"add","path":"/data/a","value":${value}}]`, JSON_PATCH],
      [`[{"op":"add","path":"${pointer}","value":1}]`, JSON_PATCH],
      [nested(100_000, '{"a":', '}'), MERGE_PATCH],
      [nested(100_000, '{"a":', '}'), STRATEGIC_PATCH],
      [nested(400, '{"a":', '}'), MERGE_PATCH],
    ];
    const before = await base();
    for (const [body, type] of bodies) expect(brief(await ask(body, type)).slice(0, 2)).toEqual([400, 'BadRequest']);
    expect(await base()).toEqual(before);
  });

  test('of lists by key cost as much as they are long', async () => {
    const containers = (count: number, more: object = {}) =>
      Array.from({ length: count }, (_, i) => ({ name: `c${i}`, image: 'i', ...more }));
    const pod = { metadata: { name: 'wide' }, spec: { containers: containers(500) } };
    expect((await raw.ask(PODS, send(JSON.stringify(pod)))).code).toBe(201);
    const deletions = {
      spec: { containers: Array.from({ length: 20_000 }, (_, i) => ({ name: `d${i}`, $patch: 'delete' })) },
    };
    const order = {
      spec: { '$setElementOrder/containers': Array.from({ length: 20_000 }, (_, i) => ({ name: `d${i}` })) },
    };
    for (const change of [deletions, order])
      expect((await raw.ask(`${PODS}/wide`, patch(JSON.stringify(change), STRATEGIC_PATCH))).code).toBe(200);
    const apply = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'wide' },
      spec: { containers: Array(5000).fill({ name: 'a' }) },
    };
    const refused = await raw.ask(`${PODS}/wide?fieldManager=m&force=true`, patch(JSON.stringify(apply), APPLY_PATCH));
    expect(refused.code).toBe(500);
    expect(statusOf(refused).message).toContain('duplicate entries for key [name="a"]');
  });
});

describe('keys that are names of JavaScript', () => {
  const stored = async (name: string) => JSON.parse((await raw.ask(`${CONFIG_MAPS}/${name}`)).text);
  const entries = (value: object) => Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

  test('are data like any other, whichever way they come', async () => {
    const body =
      '{"metadata":{"name":"js"},"data":{"__proto__":"1","constructor":"2","hasOwnProperty":"3"},"__proto__":{"polluted":1}}';
    expect((await raw.ask(CONFIG_MAPS, send(body))).code).toBe(201);
    expect(entries((await stored('js')).data)).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
      ['hasOwnProperty', '3'],
    ]);
    const change = async (body: string, type: string, query = '') => {
      const { code } = await raw.ask(`${CONFIG_MAPS}/js${query}`, patch(body, type));
      return [code, entries((await stored('js')).data)];
    };
    expect(
      await change('{"data":{"__proto__":"4","constructor":null},"__proto__":{"polluted":1}}', MERGE_PATCH),
    ).toEqual([
      200,
      [
        ['__proto__', '4'],
        ['hasOwnProperty', '3'],
      ],
    ]);
    expect(await change('{"data":{"__proto__":"5","toString":"6","hasOwnProperty":null}}', STRATEGIC_PATCH)).toEqual([
      200,
      [
        ['__proto__', '5'],
        ['toString', '6'],
      ],
    ]);
    const operations =
      '[{"op":"replace","path":"/data/__proto__","value":"7"},{"op":"remove","path":"/data/toString"}]';
    expect(await change(operations, JSON_PATCH)).toEqual([200, [['__proto__', '7']]]);
    const applied = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: js}\ndata: {__proto__: "8", constructor: "9"}';
    expect(await change(applied, APPLY_PATCH, '?fieldManager=m&force=true')).toEqual([
      200,
      [
        ['__proto__', '8'],
        ['constructor', '9'],
      ],
    ]);
    const less = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: js}\ndata: {constructor: "9"}';
    const [, left] = await change(less, APPLY_PATCH, '?fieldManager=m&force=true');
    expect(left).toContainEqual(['constructor', '9']);
  });

  test('reach no prototype by a pointer', async () => {
    for (const path of ['/__proto__/polluted', '/constructor/prototype/polluted', '/data/__proto__/polluted']) {
      const body = JSON.stringify([{ op: 'add', path, value: 'yes' }]);
      expect(brief(await raw.ask(`${CONFIG_MAPS}/base`, patch(body, JSON_PATCH))).slice(0, 2)).toEqual([
        422,
        'Invalid',
      ]);
    }
  });

  test('are no labels unless they are of the form of labels', async () => {
    const refused = await raw.ask(CONFIG_MAPS, send('{"metadata":{"name":"l","labels":{"__proto__":"x"}}}'));
    expect(refused.code).toBe(422);
    expect(statusOf(refused).message).toContain(
      'metadata.labels: Invalid value: "__proto__": name part must consist of',
    );
    expect((await create({ metadata: { name: 'l', labels: { constructor: 'x' } } })).code).toBe(201);
    const selected = async (selector: string) => {
      const { text } = await raw.ask(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent(selector)}`);
      return JSON.parse(text).items.map((item: { metadata: { name: string } }) => item.metadata.name);
    };
    expect(await selected('constructor')).toEqual(['l']);
    expect(await selected('constructor=x')).toEqual(['l']);
    expect(await selected('hasOwnProperty')).toEqual([]);
    expect(await selected('toString,constructor')).toEqual([]);
  });

  test('are no resources, groups, subresources, paths or parameters', async () => {
    for (const path of [
      '/constructor',
      '/__proto__',
      '/api/v1/constructor',
      '/apis/constructor/v1/x',
      '/api/v1/namespaces/default/__proto__/x',
      `${PODS}/x/constructor`,
      '/debug/constructor',
    ])
      expect(brief(await raw.ask(path))).toEqual([404, 'NotFound', 'the server could not find the requested resource']);
    expect((await raw.ask(`${CONFIG_MAPS}?fieldSelector=constructor%3Dx`)).code).toBe(400);
    expect((await raw.ask(`${CONFIG_MAPS}?__proto__=x&constructor=y`)).code).toBe(200);
  });
});

describe('paths', () => {
  test.each([
    [
      `${CONFIG_MAPS}/..%2f..%2fsecrets%2fkube-system%2fx`,
      'Name parameter invalid: "../../secrets/kube-system/x": may not contain \'/\'',
    ],
    [`${CONFIG_MAPS}/%2e%2e`, 'Name parameter invalid: "..": may not be \'..\''],
    [`${CONFIG_MAPS}/.`, 'Name parameter invalid: ".": may not be \'.\''],
    [`${CONFIG_MAPS}/a%252f`, 'Name parameter invalid: "a%2f": may not contain \'%\''],
    [
      '/api/v1/namespaces/..%2fkube-system/secrets',
      'Namespace parameter invalid: "../kube-system": may not contain \'/\'',
    ],
    ['/api/v1/namespaces/%2e%2e/secrets', 'Namespace parameter invalid: "..": may not be \'..\''],
    ['/api/v1/%zz', 'invalid URL escape in "%zz"'],
    [`${PODS}/%e0%a4%a`, 'invalid URL escape in "%e0%a4%a"'],
  ])('%s leads nowhere', async (path, message) => {
    for (const method of ['GET', 'DELETE', 'PUT'])
      if (method === 'GET' || !path.endsWith('secrets'))
        expect(brief(await raw.ask(path, { method, ...(method === 'PUT' && { body: '{}' }) }))).toEqual([
          400,
          'BadRequest',
          message,
        ]);
  });

  test('a name of such a kind is not stored', async () => {
    for (const name of ['..', '.', 'a/b', 'a%2fb', 'a\0b', 'A', 'x'.repeat(254)]) {
      const refused = await create({ metadata: { name } });
      expect([refused.code, statusOf(refused).reason]).toEqual([422, 'Invalid']);
    }
    const generated = await create({ metadata: { generateName: '../../secrets/' } });
    expect(generated.code).toBe(422);
  });

  test('objects of the cluster are not reached through a namespace, by whom has rights in it', async () => {
    const { client } = server.api.loopback;
    const rights = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
    await client.transport.request({
      method: 'POST',
      path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles',
      object: { metadata: { name: 'all' }, rules: [rights] },
    });
    await client.transport.request({
      method: 'POST',
      path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
      object: {
        metadata: { name: 'all' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'all' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tenant' }],
      },
    });
    const as = { name: 'tenant', groups: [] };
    await expect.poll(async () => (await raw.ask(CONFIG_MAPS, { as })).code).toBe(200);
    for (const path of [
      '/api/v1/namespaces/default/nodes',
      '/api/v1/namespaces/default/namespaces',
      '/api/v1/namespaces/default/namespaces/kube-system',
      '/api/v1/watch/namespaces/default/namespaces?watch=1',
      '/api/v1/namespaces/default/persistentvolumes/x',
      '/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles',
      '/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterroles/cluster-admin',
      '/apis/apiextensions.k8s.io/v1/namespaces/default/customresourcedefinitions',
    ])
      for (const method of ['GET', 'DELETE'])
        expect(brief(await raw.ask(path, { method, as }))).toEqual([
          404,
          'NotFound',
          'the server could not find the requested resource',
        ]);
    expect((await raw.ask('/api/v1/nodes', { as })).code).toBe(403);
  });

  test('custom objects of the cluster as well', async () => {
    await defined('clustered', 'Cluster', { type: 'object' });
    const path = '/apis/hostile.example.com/v1/namespaces/default/clustereds';
    expect((await raw.ask(path)).code).toBe(404);
    expect((await raw.ask(`${path}/x`, { method: 'DELETE' })).code).toBe(404);
  });
});

async function defined(singular: string, scope: string, schema: object): Promise<Answer> {
  const plural = `${singular}s`;
  const kind = singular[0]!.toUpperCase() + singular.slice(1);
  const answer = await raw.ask(
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    send(
      JSON.stringify({
        metadata: { name: `${plural}.hostile.example.com` },
        spec: {
          group: 'hostile.example.com',
          scope,
          names: { plural, singular, kind, listKind: `${kind}List` },
          versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
        },
      }),
    ),
  );
  if (answer.code !== 201) return answer;
  const base = '/apis/hostile.example.com/v1';
  await expect
    .poll(
      async () =>
        (await raw.ask(scope === 'Cluster' ? `${base}/${plural}` : `${base}/namespaces/default/${plural}`)).code,
    )
    .toBe(200);
  return answer;
}

describe('regular expressions', () => {
  test('of definitions are matched in linear time', async () => {
    const string = (pattern: string) => ({ type: 'string', pattern });
    const properties = { nested: string('^(a+)+$'), twice: string('(x+x+)+y'), choice: string('^(a|aa)+$') };
    expect((await defined('regular', 'Namespaced', { type: 'object', properties })).code).toBe(201);
    const path = '/apis/hostile.example.com/v1/namespaces/default/regulars';
    const values = { nested: `${'a'.repeat(50_000)}!`, twice: 'x'.repeat(50_000), choice: `${'a'.repeat(50_000)}b` };
    for (const [field, value] of Object.entries(values)) {
      const object = {
        apiVersion: 'hostile.example.com/v1',
        kind: 'Regular',
        metadata: { name: field },
        [field]: value,
      };
      const refused = await raw.ask(path, send(JSON.stringify(object)));
      expect(refused.code).toBe(422);
      expect(statusOf(refused).message).toContain(`${field}: Invalid value: `);
    }
  });

  test('that need more than that are refused', async () => {
    for (const pattern of ['(a)\\1', '(?=a)b', '(?<!a)b', '(', 'a{1001}']) {
      const refused = await defined('backward', 'Namespaced', {
        type: 'object',
        properties: { s: { type: 'string', pattern } },
      });
      expect([pattern, refused.code]).toEqual([pattern, 422]);
    }
  });
});

describe('continue tokens', () => {
  const token = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const v = 'meta.k8s.io/v1';
  test.each([
    ['abc', 'it cannot be decoded'],
    [token([]), 'encoded start resource version is not supported'],
    [token({ v: 'v9', rv: 1, start: 'a' }), 'encoded start resource version is not supported'],
    [token({ v, rv: -5, start: 'a' }), 'incorrect encoded start resourceVersion'],
    [token({ v, rv: 0, start: 'a' }), 'incorrect encoded start resourceVersion'],
    [token({ v, rv: '1', start: 'a' }), 'incorrect encoded start resourceVersion'],
    [token({ v, rv: 1, start: '' }), 'encoded start key is empty'],
    [token({ v, rv: 1, start: '../../secrets/kube-system/a' }), '../../secrets/kube-system/a'],
    [token({ v, rv: 1, start: '/a' }), '/a'],
    [token({ v, rv: 1, start: 'default/../kube-system/a' }), 'default/../kube-system/a'],
  ])('%s is refused', async (forged, why) => {
    expect(brief(await raw.ask(`${CONFIG_MAPS}?limit=1&continue=${forged}`))).toEqual([
      400,
      'BadRequest',
      `invalid continue token: continue key is not valid: ${why}`,
    ]);
  });

  test('made for one namespace show nothing of another', async () => {
    const { text } = await raw.ask(
      `/api/v1/namespaces/kube-system/configmaps?continue=${token({ v, rv: -1, start: 'default/a' })}`,
    );
    expect(
      JSON.parse(text).items.every(
        (item: { metadata: { namespace: string } }) => item.metadata.namespace === 'kube-system',
      ),
    ).toBe(true);
  });
});

describe('selectors', () => {
  const list = (query: string) => raw.ask(`${CONFIG_MAPS}?${query}`);

  test('of thousands of parts are evaluated or refused, and others are answered meanwhile', async () => {
    const parts = (count: number, one: (i: number) => string) =>
      encodeURIComponent(Array.from({ length: count }, (_, i) => one(i)).join(','));
    const long = [
      list(`labelSelector=${parts(20_000, (i) => `k${i}!=v`)}`),
      list(`labelSelector=${encodeURIComponent(`a in (${'a,'.repeat(20_000)}a)`)}`),
      list(`fieldSelector=${parts(20_000, (i) => `metadata.name!=v${i}`)}`),
      list(`labelSelector=${'('.repeat(20_000)}`),
      list(`labelSelector=${'a'.repeat(400_000)}`),
    ];
    await turn();
    expect((await raw.ask('/livez')).code).toBe(200);
    expect((await Promise.all(long)).map(({ code }) => code)).toEqual([200, 200, 400, 400, 400]);
  });

  test('hundreds of watches with long ones are served and let go of', async () => {
    const selector = encodeURIComponent(Array.from({ length: 500 }, (_, i) => `k${i}!=v`).join(','));
    const session = await raw.http2();
    const streams = Array.from({ length: 200 }, () =>
      session.request({ ':path': `${CONFIG_MAPS}?watch=1&labelSelector=${selector}` }),
    );
    for (const stream of streams) stream.on('error', () => undefined);
    await Promise.all(streams.map((stream) => new Promise((begun) => stream.once('response', begun))));
    expect((await create({ metadata: { name: 'seen' } })).code).toBe(201);
    session.destroy();
    await expect
      .poll(async () => (await raw.ask('/metrics')).text, { timeout: 5000 })
      .toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} 0/);
  });
});
