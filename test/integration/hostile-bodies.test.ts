/** What bad bodies, patches and keys get: the right Status, nothing stored, the process unharmed. */
import { describe, expect, test } from 'vitest';
import {
  APPLY_PATCH,
  base,
  brief,
  CONFIG_MAPS,
  create,
  JSON_PATCH,
  MERGE_PATCH,
  nested,
  PODS,
  patch,
  raw,
  STRATEGIC_PATCH,
  send,
  storedNames,
  useHostileServer,
} from './hostile-server.ts';
import { statusOf } from './raw-client.ts';

useHostileServer();

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
      [nested(100_000, '{"a":', '}'), MERGE_PATCH],
      [nested(100_000, '{"a":', '}'), STRATEGIC_PATCH],
      [nested(400, '{"a":', '}'), MERGE_PATCH],
    ];
    const before = await base();
    for (const [body, type] of bodies) expect(brief(await ask(body, type)).slice(0, 2)).toEqual([400, 'BadRequest']);
    const byPointer = await ask(`[{"op":"add","path":"${pointer}","value":1}]`, JSON_PATCH);
    expect(brief(byPointer).slice(0, 2)).toEqual([422, 'Invalid']);
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
