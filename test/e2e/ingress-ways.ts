/** What Ingresses say by annotations, hosts and paths: what each node's client asks of them, and what it is answered. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { object } from './conformance/playground.ts';
import { HOOK } from './conformance/tls-server.ts';
import { API_ANSWER, at, canary, echoes, FAR, hostOf, ingress, says, secure } from './ingress-vocabulary.ts';
import type { NodeName, Question } from './three-nodes-ground.ts';

/** The client of a node. */
export interface Asker {
  node: NodeName;
  ip: string;
}
/** A question of each node's client, and what each is answered. */
export type Claim = [Partial<Question>, unknown | ((asker: Asker) => unknown)];
interface Way {
  title: string;
  ingresses: ReturnType<typeof ingress>[];
  claims: Claim[];
}
const way = (title: string, ingresses: Way['ingresses'], ...claims: Claim[]): Way => ({ title, ingresses, claims });

const users = `jane:{SHA}${createHash('sha1').update('secret').digest('base64')}\n`;
/** What `guarded` looks up. */
export const USERS = object('Secret', 'users', { stringData: { auth: users } });
const jane = (password: string) => `Basic ${Buffer.from(`jane:${password}`).toString('base64')}`;
const origin = 'https://app.example.org';
const cors = ['access-control-allow-origin', 'access-control-allow-methods', 'access-control-allow-credentials'];

/** NAMESPACE is where they are made, CLIENT the address of the client of node1. */
export const WAYS: Way[] = [
  way(
    'rewrite-target with captures',
    [ingress('rewrite', { 'rewrite-target': '/$2/$1' }, { path: '/(api)/(.*)', pathType: 'ImplementationSpecific' })],
    [at('rewrite', '/api/any/echo?x=1'), says(200)],
    [at('rewrite', '/other'), '404 default backend - 404'],
  ),
  way(
    'ssl-redirect, and without it',
    [
      ingress('secure', {}, { secret: 'first' }),
      ingress('both', { 'ssl-redirect': 'false' }, { secret: 'first' }),
      ingress('other', {}, { secret: 'second', service: 'api' }),
    ],
    [
      at('secure', '/x?y', { show: ['location'] }),
      expect.stringMatching(/^308 .*location: https:\/\/secure.ways.example.com\/x\?y$/s),
    ],
    [at('both'), FAR],
  ),
  way('certificates by SNI', [], [secure('secure'), `${FAR} by first`], [secure('other'), `${API_ANSWER} by second`]),
  way('HTTP/2', [], [secure('secure', '/', { how: 'h2' }), `${FAR} over h2`]),
  way(
    'force-ssl-redirect',
    [ingress('forced', { 'force-ssl-redirect': 'true' })],
    [
      at('forced', '/x', { show: ['location'] }),
      expect.stringMatching(/^308 .*location: https:\/\/forced.ways.example.com\/x$/s),
    ],
  ),
  way(
    'redirects and a root of the application',
    [
      ingress('moved', { 'permanent-redirect': 'https://new.example.org/' }),
      ingress('away', { 'temporal-redirect': 'https://away.example.org/' }),
      ingress('root', { 'app-root': '/start' }),
    ],
    [at('moved', '/', { show: ['location'] }), expect.stringMatching(/^301 .*location: https:\/\/new.example.org\/$/s)],
    [at('away', '/', { show: ['location'] }), expect.stringMatching(/^302 .*location: https:\/\/away.example.org\/$/s)],
    [at('root', '/', { show: ['location'] }), expect.stringMatching(/^302 .*location: \S*\/start$/s)],
    [at('root', '/other'), FAR],
  ),
  way(
    'time-outs: of the answer, and of the connection',
    [
      ingress('slow', { 'proxy-read-timeout': '1' }),
      ingress('silent', { 'proxy-connect-timeout': '1' }, { service: 'silent' }),
    ],
    [at('slow', '/never'), says(504)],
    [at('slow'), FAR],
    [at('silent'), says(504)],
  ),
  way(
    'the size of a body',
    [
      ingress('small', { 'proxy-body-size': '1k' }),
      ingress('usual', {}),
      ingress('large', { 'proxy-body-size': '4m' }),
    ],
    [at('small', '/echo', { method: 'POST', bytes: 1_000 }), echoes('"bytes":1000,', '"method":"POST"')],
    [at('small', '/echo', { method: 'POST', bytes: 2_000 }), says(413)],
    [at('usual', '/echo', { method: 'POST', bytes: 900_000 }), echoes('"bytes":900000,')],
    [at('large', '/echo', { method: 'POST', bytes: 3_000_000 }), echoes('"bytes":3000000,')],
  ),
  way(
    'CORS',
    [
      ingress('cors', {
        'enable-cors': 'true',
        'cors-allow-origin': 'https://*.example.org',
        'cors-allow-methods': 'GET',
      }),
    ],
    [
      at('cors', '/', { method: 'OPTIONS', headers: { origin }, show: cors }),
      `204   ${cors[0]}: ${origin} ${cors[1]}: GET ${cors[2]}: true`.replace('   ', '  '),
    ],
    [at('cors', '/', { headers: { origin }, show: cors.slice(0, 1) }), `${FAR} ${cors[0]}: ${origin}`],
    [at('cors', '/', { headers: { origin: 'https://evil.example' }, show: cors.slice(0, 1) }), FAR],
  ),
  way(
    'basic authentication',
    [ingress('guarded', { 'auth-type': 'basic', 'auth-secret': 'users', 'auth-realm': 'members' })],
    [
      at('guarded', '/', { show: ['www-authenticate'] }),
      expect.stringMatching(/^401 .*www-authenticate: Basic realm="members"/s),
    ],
    [at('guarded', '/', { headers: { authorization: jane('guess') } }), says(401)],
    [at('guarded', '/', { headers: { authorization: jane('secret') } }), FAR],
  ),
  way(
    'somebody else who is asked whether a request may pass',
    [
      ingress('allowed', { 'auth-url': 'http://front.NAMESPACE.svc/status/204' }),
      ingress('refused', { 'auth-url': 'http://front.NAMESPACE.svc/status/401' }),
      ingress('signed-in', {
        'auth-url': 'http://front.NAMESPACE.svc/status/401',
        'auth-signin': 'https://login.example.org/',
      }),
    ],
    [at('allowed'), FAR],
    [at('refused'), says(401)],
    [
      at('signed-in', '/', { show: ['location'] }),
      expect.stringMatching(/^302 .*location: https:\/\/login.example.org\/\?rd=/s),
    ],
  ),
  way(
    'whitelist-source-range and denylist-source-range',
    [
      ingress('listed', { 'whitelist-source-range': '192.0.2.0/24,CLIENT' }),
      ingress('denied', { 'denylist-source-range': 'CLIENT' }),
    ],
    [at('listed'), ({ node }: Asker) => (node === 'node1' ? FAR : says(403))],
    [at('denied'), ({ node }: Asker) => (node === 'node1' ? says(403) : FAR)],
  ),
  way(
    'canaries by weight, header, value and cookie',
    [
      ingress('weighed', {}),
      canary('weighed', { 'canary-weight': '100' }),
      ingress('unweighed', {}),
      canary('unweighed', { 'canary-weight': '0' }),
      ingress('tried', {}),
      canary('tried', { 'canary-by-header': 'x-try' }),
      ingress('valued', {}),
      canary('valued', { 'canary-by-header': 'x-try', 'canary-by-header-value': 'please' }),
      ingress('matched', {}),
      canary('matched', { 'canary-by-header': 'x-try', 'canary-by-header-pattern': '^v[12]' }),
      ingress('eaten', {}),
      canary('eaten', { 'canary-by-cookie': 'try' }),
    ],
    [at('weighed'), API_ANSWER],
    [at('unweighed'), FAR],
    [at('tried', '/', { headers: { 'x-try': 'always' } }), API_ANSWER],
    [at('tried', '/', { headers: { 'x-try': 'never' } }), FAR],
    [at('tried'), FAR],
    [at('valued', '/', { headers: { 'x-try': 'please' } }), API_ANSWER],
    [at('valued', '/', { headers: { 'x-try': 'always' } }), FAR],
    [at('matched', '/', { headers: { 'x-try': 'v2' } }), API_ANSWER],
    [at('matched', '/', { headers: { 'x-try': 'v3' } }), FAR],
    [at('eaten', '/', { headers: { cookie: 'a=b; try=always' } }), API_ANSWER],
    [at('eaten'), FAR],
  ),
  way(
    'backend-protocol HTTPS and GRPC',
    [
      ingress('inner', { 'backend-protocol': 'HTTPS' }, { service: HOOK, port: 443 }),
      ingress('calls', { 'backend-protocol': 'GRPC' }, { service: 'calls', port: 9000, secret: 'first' }),
    ],
    [at('inner', '/readyz'), '200 ok'],
    [secure('calls', '/', { how: 'grpcs' }), '200 server-node3 status 0'],
  ),
  way(
    'WebSockets, and over TLS',
    [],
    [at('both', '/', { how: 'upgrade' }), '101 server-node3 hello'],
    [secure('secure', '/', { how: 'upgrades' }), '101 server-node3 hello'],
  ),
  way(
    'the Host that the backend sees',
    [ingress('renamed', { 'upstream-vhost': 'inside.example.org' })],
    [at('renamed', '/echo'), echoes('"host":"inside.example.org"', '"x-forwarded-host":"renamed.ways.example.com"')],
  ),
  way(
    'who asks is told to the backend, and never what the client says of that',
    [],
    [
      secure('secure', '/echo', {
        headers: { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'gopher', 'x-kept': 'yes' },
      }),
      ({ ip }: Asker) =>
        echoes(
          `"x-forwarded-for":"${ip}"`,
          `"x-real-ip":"${ip}"`,
          '"x-forwarded-proto":"https"',
          '"x-forwarded-port":"443"',
          '"x-request-id":"',
          '"x-kept":"yes"',
        ),
    ],
  ),
  way(
    'hosts: the exact one before the wildcard, which stands for one label',
    [
      ingress('wild', {}, { host: `*.${hostOf('wild')}` }),
      ingress('exact', {}, { host: `one.${hostOf('wild')}`, service: 'api' }),
    ],
    [{ host: `two.${hostOf('wild')}` }, FAR],
    [{ host: `one.${hostOf('wild')}` }, API_ANSWER],
    [{ host: `a.b.${hostOf('wild')}` }, '404 default backend - 404'],
    [{ host: hostOf('wild') }, '404 default backend - 404'],
  ),
  way(
    'paths: Exact, and Prefix by elements, the longest first',
    [
      ingress(
        'paths',
        {},
        { host: hostOf('paths'), path: '/exact', pathType: 'Exact', service: 'front' },
        { host: hostOf('paths'), path: '/pre', service: 'api' },
        { host: hostOf('paths'), path: '/pre/longer', service: 'far' },
      ),
    ],
    [at('paths', '/exact'), '200 server-node1'],
    [at('paths', '/exact/more'), '404 default backend - 404'],
    [at('paths', '/pre/x'), API_ANSWER],
    [at('paths', '/prefix'), '404 default backend - 404'],
    [at('paths', '/pre/longer/x'), FAR],
  ),
  way(
    'an endpoint that does not answer is passed over',
    [ingress('half', {}, { service: 'half' })],
    ...Array.from({ length: 8 }, (): Claim => [at('half'), '200 server-node1']),
  ),
  way(
    'a Service that is not there, and one without endpoints',
    [ingress('gone', {}, { service: 'gone' }), ingress('nobody', {}, { service: 'leaving' })],
    [at('gone'), says(503)],
    [at('nobody'), says(503)],
  ),
];
