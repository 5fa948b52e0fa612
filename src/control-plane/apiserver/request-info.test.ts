import { expect, test } from 'vitest';
import { collectionRead, type RequestInfo, requestInfoOf } from './request-info.ts';

const about = (method: string, url: string) => {
  const info = requestInfoOf(method, url);
  if (!info.isResource) return `${info.verb} ${info.path}`;
  const { verb, group, version, namespace, resource, name, subresource, rest } = info;
  return [verb, `${group}/${version}`, namespace, resource, name, subresource, rest].join('|');
};

for (const [method, url, expected] of [
  ['GET', '/api/v1/pods', 'list|/v1||pods|||'],
  ['GET', '/api/v1/namespaces/ns/pods', 'list|/v1|ns|pods|||'],
  ['GET', '/api/v1/namespaces/ns/pods/web', 'get|/v1|ns|pods|web||'],
  ['HEAD', '/api/v1/namespaces/ns/pods/web', 'get|/v1|ns|pods|web||'],
  ['GET', '/api/v1/pods?watch=1', 'watch|/v1||pods|||'],
  ['GET', '/api/v1/pods?watch=false', 'list|/v1||pods|||'],
  ['GET', '/api/v1/watch/pods', 'watch|/v1||pods|||'],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dweb', 'list|/v1||pods|web||'],
  ['POST', '/apis/apps/v1/namespaces/ns/deployments', 'create|apps/v1|ns|deployments|||'],
  ['PUT', '/apis/apps/v1/namespaces/ns/deployments/d/scale', 'update|apps/v1|ns|deployments|d|scale|'],
  ['PATCH', '/apis/apps/v1/namespaces/ns/deployments/d', 'patch|apps/v1|ns|deployments|d||'],
  ['DELETE', '/api/v1/namespaces/ns/pods/web', 'delete|/v1|ns|pods|web||'],
  ['DELETE', '/api/v1/namespaces/ns/pods', 'deletecollection|/v1|ns|pods|||'],
  ['GET', '/api/v1/namespaces', 'list|/v1||namespaces|||'],
  ['GET', '/api/v1/namespaces/ns', 'get|/v1|ns|namespaces|ns||'],
  ['PUT', '/api/v1/namespaces/ns/finalize', 'update|/v1|ns|namespaces|ns|finalize|'],
  ['GET', '/api/v1/namespaces/ns/status', 'get|/v1|ns|namespaces|ns|status|'],
  ['GET', '/api/v1/namespaces/ns/pods/web/proxy/a/b/', 'get|/v1|ns|pods|web|proxy|a/b/'],
  ['GET', '/api/v1/namespaces/ns/pods/web/proxy', 'get|/v1|ns|pods|web|proxy|'],
  ['GET', '/api/v1/namespaces/ns/services/https:web:443/proxy/', 'get|/v1|ns|services|https:web:443|proxy|'],
  [
    'GET',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
    'get|rbac.authorization.k8s.io/v1||clusterroles|system:node||',
  ],
  ['OPTIONS', '/api/v1/pods', '|/v1||pods|||'],
  ['GET', '/api/v1', 'get /api/v1'],
  ['GET', '/apis/apps/v1', 'get /apis/apps/v1'],
  ['GET', '/apis', 'get /apis'],
  ['GET', '/healthz', 'get /healthz'],
  ['POST', '/', 'post /'],
] as const) {
  test(`${method} ${url}`, () => expect(about(method, url)).toBe(expected));
}

test('a name that a selector pins is for authorisation, not a name in the path', () => {
  const info = requestInfoOf('GET', '/api/v1/namespaces/ns/secrets?fieldSelector=metadata.name%3Da,type%3Db');
  expect(info).toMatchObject({ name: 'a', namedByPath: false, fieldSelector: 'metadata.name=a,type=b' });
});

test('selectors count for the verbs that have them', () => {
  expect(requestInfoOf('GET', '/api/v1/pods/x?labelSelector=a').isResource).toBe(true);
  expect(requestInfoOf('GET', '/api/v1/pods/x?labelSelector=a')).not.toHaveProperty('labelSelector');
  expect(requestInfoOf('DELETE', '/api/v1/pods?labelSelector=a')).toMatchObject({ labelSelector: 'a' });
});

test('a broken escape is a bad request', () => {
  expect(() => requestInfoOf('GET', '/api/v1/pods/%zz')).toThrow('invalid URL escape');
});

/** Only the value that stands for what is remembered tells them apart. */
const shown = (info: RequestInfo) => ({ ...info, collection: undefined });

test('what is remembered of a collection does not show', () => {
  for (const name of ['web', 'status', '..', '-', 'a b']) {
    const once = requestInfoOf('GET', `/apis/apps/v1/namespaces/ns/deployments/${name}`);
    const asWithQuery = requestInfoOf('GET', `/apis/apps/v1/namespaces/ns/deployments/${name}?`);
    expect(shown(once)).toEqual(shown(asWithQuery));
  }
  for (const url of [
    '/api/v1/namespaces/ns/pods/web',
    '/api/v1/namespaces/ns/pods/web/log',
    '/api/v1/namespaces/ns/pods/web/proxy/log',
    '/api/v1/namespaces/ns/pods',
    '/api/v1/pods',
    '/api/v1/pods/web',
    '/api/v1/pods/web/log',
    '/api/v1/namespaces',
    '/api/v1/namespaces/a/status',
    '/api/v1/namespaces/a/pods/status',
    '/api/v1/watch/pods/web',
    '/apis/apps/v1',
    '/apis/apps/v1/a/b',
    '/api',
    '/a',
    '/api/v1/namespaces/a',
    '/api/v1/namespaces/a/b',
    '/api/v1/a',
  ])
    for (const method of ['POST', 'GET', 'PUT', 'DELETE', 'OPTIONS', 'POST'])
      expect(shown(requestInfoOf(method, url)), `${method} ${url}`).toEqual(shown(requestInfoOf(method, `${url}?`)));
});

test('those who read objects of one collection by nothing but their names share a value, and nobody else has it', () => {
  const read = (url: string, method = 'GET') => collectionRead(requestInfoOf(method, url));
  const pods = read('/api/v1/namespaces/a/pods/one');
  expect(pods).toBeDefined();
  expect(read('/api/v1/namespaces/a/pods/two')).toBe(pods);
  for (const other of [
    '/api/v1/namespaces/b/pods/one',
    '/api/v1/namespaces/a/secrets/one',
    '/apis/apps/v1/namespaces/a/pods/one',
  ])
    expect(read(other)).not.toBe(pods);
  for (const more of [
    '/api/v1/namespaces/a/pods/one/log',
    '/api/v1/namespaces/a/pods',
    '/api/v1/namespaces/a/pods/one?x=y',
    '/version',
  ])
    expect(read(more)).toBeUndefined();
  expect(read('/api/v1/namespaces/a/pods/one', 'DELETE')).toBeUndefined();
  const log = { ...requestInfoOf('GET', '/api/v1/namespaces/a/pods/one'), subresource: 'log' } as RequestInfo;
  expect(collectionRead(log)).toBeUndefined();
});
