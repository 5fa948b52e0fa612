/**
 * What bad input gets beside bodies (`hostile-bodies.test.ts`): paths, regular expressions, tokens, selectors. What comes from
 * networks is in `hostile-input-network.test.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { brief, CONFIG_MAPS, create, PODS, raw, send, server, useHostileServer } from './hostile-server.ts';
import { type Answer, statusOf } from './raw-client.ts';

useHostileServer();

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
      .poll(async () => (await raw.ask('/metrics')).text, { timeout: 60_000 })
      .toMatch(/apiserver_longrunning_requests\{verb="WATCH"[^}]*configmaps[^}]*\} 0/);
  });
});
