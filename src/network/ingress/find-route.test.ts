import { expect, test } from 'vitest';
import type { Ingress } from '#api/generated/schema.ts';
import { normalPath } from './arrival.ts';
import { findRoute } from './find-route.ts';
import { routeTableOf } from './route-table.ts';

type Path = [path: string, service: string, pathType?: string];
const ingress = (name: string, rules: Record<string, Path[]>, annotations: Record<string, string> = {}) =>
  ({
    metadata: {
      name,
      namespace: 'shop',
      creationTimestamp: `2026-01-0${name.length}T00:00:00Z`,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
      ),
    },
    spec: {
      rules: Object.entries(rules).map(([host, paths]) => ({
        ...(host && { host }),
        http: {
          paths: paths.map(([path, service, pathType = 'Prefix']) => ({
            path,
            pathType,
            backend: { service: { name: service, port: { number: 80 } } },
          })),
        },
      })),
    },
  }) as unknown as Ingress;

const serviceAt = (ingresses: Ingress[], host: string, path: string) => {
  const found = findRoute(
    { hosts: routeTableOf(ingresses).hosts },
    { hostname: host, path, method: 'GET', query: '', headers: {} },
  );
  if (!found) return 'no host';
  return found.route ? `${found.route.backend?.replace(/shop\/|:80/g, '')} ${found.rewritten ?? path}` : 'no path';
};

const plain = ingress('a', {
  'www.example.com': [
    ['/', 'front'],
    ['/api', 'api'],
    ['/api/v1/', 'v1'],
    ['/api', 'exact', 'Exact'],
    ['/files', 'files', 'ImplementationSpecific'],
  ],
  '*.example.com': [['/', 'wild']],
});

test.each([
  ['www.example.com', '/', 'front /'],
  ['www.example.com', '/other', 'front /other'],
  ['www.example.com', '/api', 'exact /api'],
  ['www.example.com', '/api/', 'api /api/'],
  ['www.example.com', '/apix', 'front /apix'],
  ['www.example.com', '/api/v1', 'v1 /api/v1'],
  ['www.example.com', '/api/v1/x', 'v1 /api/v1/x'],
  ['www.example.com', '/files/a', 'files /files/a'],
  ['other.example.com', '/x', 'wild /x'],
  ['a.b.example.com', '/x', 'no host'],
  ['example.com', '/', 'no host'],
])('%s%s goes to %s', (host, path, wanted) => expect(serviceAt([plain], host, path)).toBe(wanted));

test.each([
  ['/a/b', '/a/b'],
  ['/a//b/', '/a/b/'],
  ['/%61dmin', '/admin'],
  ['/x/../admin', '/admin'],
  ['//admin', '/admin'],
  ['/a/.', '/a/'],
  ['/', '/'],
  ['/..', undefined],
  ['/a/%2e%2e/%2e%2e/b', undefined],
  ['/%zz', undefined],
  ['/a%00b', undefined],
])('the path %s is %s', (raw, wanted) => expect(normalPath(raw)).toBe(wanted));

test('rules without a host, and default backends, are for what nobody else wants', () => {
  const any = ingress('any', { '': [['/only', 'any']] });
  expect(serviceAt([plain, any], 'unknown.org', '/only')).toBe('any /only');
  expect(serviceAt([plain, any], 'unknown.org', '/')).toBe('no path');
  const service = { name: 'last', port: { number: 80 } };
  const fallback = { ...ingress('fallback', {}), spec: { defaultBackend: { service } } } as unknown as Ingress;
  expect(serviceAt([plain, any, fallback], 'unknown.org', '/')).toBe('last /');
  expect(serviceAt([plain, any, fallback], 'www.example.com', '/')).toBe('front /');
});

test("a path that its host does not have is nobody else's, wildcards and rules without a host included", () => {
  const narrow = ingress('a', {
    'www.example.com': [['/api', 'api']],
    '*.example.com': [['/wild', 'wild']],
    '': [['/', 'any']],
  });
  const tls = [{ hosts: ['only-tls.example.com', 'only-tls.org'], secretName: 'cert' }];
  const all = [{ ...narrow, spec: { ...narrow.spec, tls } }];
  expect(serviceAt(all, 'www.example.com', '/api/x')).toBe('api /api/x');
  expect(serviceAt(all, 'www.example.com', '/wild')).toBe('no path');
  expect(serviceAt(all, 'other.example.com', '/wild')).toBe('wild /wild');
  expect(serviceAt(all, 'other.example.com', '/api')).toBe('no path');
  expect(serviceAt(all, 'only-tls.example.com', '/wild')).toBe('wild /wild');
  expect(serviceAt(all, 'only-tls.org', '/x')).toBe('any /x');
});

test('a host that has a rule and no path at all is answered 404, and a default backend has what it does not', () => {
  const { metadata } = ingress('b', {});
  const bare = { metadata, spec: { rules: [{ host: 'bare.example.com' }] } } as unknown as Ingress;
  const wild = ingress('a', { '*.example.com': [['/', 'wild']], '': [['/', 'any']] });
  expect(serviceAt([wild, bare], 'bare.example.com', '/')).toBe('no path');
  const defaultBackend = { service: { name: 'rest', port: { number: 80 } } };
  const whole = { ...bare, spec: { ...bare.spec, defaultBackend } } as Ingress;
  expect(serviceAt([wild, whole], 'bare.example.com', '/')).toBe('rest /');
});

test('of two Ingresses that want the same, the older has it', () => {
  const younger = ingress('younger', {
    'www.example.com': [
      ['/', 'thief'],
      ['/new', 'new'],
    ],
  });
  expect(serviceAt([younger, plain], 'www.example.com', '/')).toBe('front /');
  expect(serviceAt([younger, plain], 'www.example.com', '/new')).toBe('new /new');
});

test.each([
  ['/', '/api/v1', '/api/v1/users', 'api /'],
  ['/$2', '/something(/|$)(.*)', '/something/new/x', 'api /new/x'],
  ['/$2', '/something(/|$)(.*)', '/something', 'api /'],
  ['/$1', '/API/(.*)', '/api/users', 'api /users'],
  ['/$2', '/something(/|$)(.*)', '/somethingelse', 'no path'],
  ['/x', '/(unclosed', '/(unclosed', 'no path'],
])('with the target %s, the path %s makes %s into %s', (target, path, asked, wanted) => {
  const rewriting = ingress(
    'a',
    { 'www.example.com': [[path, 'api', 'ImplementationSpecific']] },
    { 'rewrite-target': target },
  );
  expect(serviceAt([rewriting], 'www.example.com', asked)).toBe(wanted);
});

test('a path that would run away in another engine is matched at once', () => {
  const evil = ingress('a', { h: [['/(a+)+$', 'api']] }, { 'use-regex': 'true' });
  expect(serviceAt([evil], 'h', `/${'a'.repeat(5_000)}!`)).toBe('no path');
});
