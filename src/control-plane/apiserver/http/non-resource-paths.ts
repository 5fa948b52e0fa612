/** Everything that is no resource: what the server is, how it is, and what it serves. */
import { noSuchPath } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { discoveryForm } from '../discovery/discovery-form.ts';
import { dumpOf } from '../flow-control/dump.ts';
import type { FlowControl } from '../flow-control/flow-control.ts';
import type { HealthResults } from '../metrics/health-results.ts';
import {
  GNOSTIC_ACCEPTED,
  GNOSTIC_MEDIA_TYPE,
  GNOSTIC_V3_ACCEPTED,
  GNOSTIC_V3_MEDIA_TYPE,
  type OpenApi,
} from '../openapi/openapi.ts';
import type { NonResourceRequestInfo } from '../request-info.ts';
import { encoded } from './body-chunks.ts';
import {
  type ComponentPage,
  deprecationOf,
  flagzObject,
  flagzText,
  type PageForm,
  pageFormOf,
  statuszObject,
  statuszText,
} from './component-pages.ts';
import { type DebugPages, debugAnswer } from './debug-pages.ts';
import type { Exchange } from './exchange.ts';
import { type HealthCheck, type HealthEndpoint, healthOf, type ObserveHealth } from './health.ts';
import { documentEncoding, isForPeople } from './negotiation.ts';
import type { RequestMetrics } from './request-metrics.ts';
import { sendBody } from './send-reply.ts';
import { versionInfo } from './version.ts';
import { warningHeaders } from './warning-header.ts';

export interface NonResourceServices {
  discovery: Discovery;
  openApi: OpenApi;
  tokenIssuer: TokenIssuer;
  checks: readonly HealthCheck[];
  metrics: RequestMetrics;
  healthResults: HealthResults;
  flowControl: FlowControl;
  debug?: DebugPages;
  /** With which this component was started; absent: there is no `/flagz`. */
  flags?: Readonly<Record<string, string>>;
  /** When this component began: milliseconds since the epoch. */
  startedMs: number;
  /** `host:port` under which clients reach this server. */
  serverAddress(): string;
  clock: Clock;
}

type Route = (exchange: Exchange, info: NonResourceRequestInfo, services: NonResourceServices) => Promise<void>;

const ROUTES: Readonly<Record<string, Route>> = {
  '/': sendPaths,
  '/version': (exchange, info) => sendJson(exchange, info, versionInfo()),
  '/metrics': async (exchange, _info, { metrics: { registry } }) =>
    sendBody(exchange, 200, { type: registry.contentType, body: Buffer.from(await registry.metrics()) }),
  '/metrics/slis': async (exchange, _info, { healthResults: { registry } }) =>
    sendBody(exchange, 200, { type: registry.contentType, body: Buffer.from(await registry.metrics()) }),
  '/openapi/v2': sendSwagger,
  '/openapi/v3': async (exchange, _info, { openApi }) => sendDocument(exchange, await openApi.v3Index()),
  '/.well-known/openid-configuration': (exchange, _info, { tokenIssuer }) =>
    sendCacheable(exchange, tokenIssuer, { type: 'application/json', value: tokenIssuer.discoveryDocument() }),
  '/statusz': sendStatusz,
  '/flagz': sendFlagz,
  '/openid/v1/jwks': async (exchange, _info, { tokenIssuer }) =>
    sendCacheable(exchange, tokenIssuer, { type: 'application/jwk-set+json', value: await tokenIssuer.jwks() }),
};

/** Throws NotFound. */
export async function serveNonResource(
  exchange: Exchange,
  info: NonResourceRequestInfo,
  services: NonResourceServices,
): Promise<void> {
  if (info.method !== 'GET' && info.method !== 'HEAD') throw noSuchPath();
  const path = info.path.length > 1 ? info.path.replace(/\/+$/, '') : info.path;
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (route) return route(exchange, info, services);
  const [, first = '', ...rest] = path.split('/');
  if (first === 'api' || first === 'apis') return sendDiscovery(exchange, info, services);
  if (first === 'healthz' || first === 'livez' || first === 'readyz')
    return sendHealth(exchange, info, { ...services, endpoint: first, name: rest.join('/') });
  const page = first === 'debug' ? await debugAnswer(services.debug, path) : undefined;
  if (page) return sendJson(exchange, info, page);
  const dump = first === 'debug' ? dumpOf(services.flowControl, path, info.query) : undefined;
  if (dump) return sendBody(exchange, 200, { type: 'text/plain; charset=utf-8', body: Buffer.from(dump) });
  if (path.startsWith(OPENAPI_V3)) return sendOpenApi3(exchange, { ...info, path }, services);
  throw noSuchPath();
}

function sendPaths(exchange: Exchange, info: NonResourceRequestInfo, services: NonResourceServices): Promise<void> {
  return sendJson(exchange, info, { paths: listedPaths(services) });
}

function listedPaths({ checks, discovery, flags }: NonResourceServices): string[] {
  const health = (['healthz', 'livez', 'readyz'] as const).flatMap((endpoint) => [
    `/${endpoint}`,
    ...checks.filter(({ of }) => of.includes(endpoint)).map(({ name }) => `/${endpoint}/${name}`),
  ]);
  const { groups = [] } = discovery.groups().content as ListedGroups;
  const apis = groups.flatMap(({ name, versions }) => [
    `/apis/${name}`,
    ...versions.map(({ groupVersion }) => `/apis/${groupVersion}`),
  ]);
  const routes = Object.keys(ROUTES).filter((path) => path !== '/' && (path !== '/flagz' || flags));
  return ['/api', '/api/v1', '/apis', ...apis, ...routes, ...health].sort();
}

interface ListedGroups {
  groups?: readonly { name: string; versions: readonly { groupVersion: string }[] }[];
}

function sendStatusz(exchange: Exchange, _info: NonResourceRequestInfo, services: NonResourceServices): Promise<void> {
  const form = pageFormOf(exchange.header('accept'), 'Statusz'); // 406
  const { startedMs, clock } = services;
  const status = { startedMs, nowMs: clock.now(), paths: listedPaths(services) };
  return sendPage(exchange, 'Statusz', form, () =>
    form.encoding === 'text' ? statuszText(status) : statuszObject(status, form),
  );
}

function sendFlagz(exchange: Exchange, _info: NonResourceRequestInfo, { flags }: NonResourceServices): Promise<void> {
  if (!flags) throw noSuchPath();
  const form = pageFormOf(exchange.header('accept'), 'Flagz'); // 406
  return sendPage(exchange, 'Flagz', form, () =>
    form.encoding === 'text' ? flagzText(flags) : flagzObject(flags, form),
  );
}

async function sendPage(
  exchange: Exchange,
  page: ComponentPage,
  form: PageForm,
  content: () => string | object,
): Promise<void> {
  const deprecation = deprecationOf(page, form);
  if (deprecation) exchange.set('warning', warningHeaders([deprecation]));
  const said = content();
  if (typeof said === 'string')
    return sendBody(exchange, 200, { type: 'text/plain; charset=utf-8', body: Buffer.from(said) });
  return sendBody(
    exchange,
    200,
    encoded(said, { encoding: form.encoding === 'yaml' ? 'yaml' : 'json', pretty: false }),
  );
}

async function sendHealth(
  exchange: Exchange,
  { query }: NonResourceRequestInfo,
  { checks, healthResults, endpoint, name }: NonResourceServices & { endpoint: HealthEndpoint; name: string },
): Promise<void> {
  const observe: ObserveHealth = (check, of, isWell) => healthResults.observe(check, of, isWell);
  const answer = await healthOf(checks, { endpoint, name, query, observe });
  if (!answer) throw noSuchPath();
  return sendBody(exchange, answer.code, { type: 'text/plain; charset=utf-8', body: Buffer.from(answer.text) });
}

async function sendDiscovery(
  exchange: Exchange,
  info: NonResourceRequestInfo,
  { discovery, serverAddress }: NonResourceServices,
): Promise<void> {
  const parts = info.path.split('/').filter((part) => part !== '');
  const [root, first, second] = parts;
  const isRoot = parts.length === 1 && (root === 'api' || root === 'apis');
  const form = discoveryForm(exchange.header('accept'), isRoot); // 406
  if (isRoot) exchange.set('vary', 'Accept');
  const document = isRoot
    ? form.isAggregated
      ? discovery.aggregated(root)
      : root === 'api'
        ? discovery.versions(serverAddress())
        : discovery.groups()
    : root === 'api'
      ? parts.length === 2 && discovery.resources('', first!)
      : parts.length === 2
        ? discovery.group(first!)
        : parts.length === 3 && discovery.resources(first!, second!);
  if (!document) throw noSuchPath();
  const { content, etag } = document;
  const body = form.encoding === 'json' ? document.body : encoded(content, { ...form, pretty: false }).body;
  return sendDocument(exchange, { body, etag }, form.isAggregated ? 'public' : undefined, form.mediaType);
}

const OPENAPI_V3 = '/openapi/v3/';
const YEAR_MS = 365 * 24 * 3_600_000;

/** With a hash the document may be kept for good; with one that is over it is found under the new one. */
async function sendOpenApi3(
  exchange: Exchange,
  { path, query }: NonResourceRequestInfo,
  { openApi, clock }: NonResourceServices,
): Promise<void> {
  const encoding = documentEncoding(exchange.header('accept'), [GNOSTIC_V3_ACCEPTED, GNOSTIC_V3_MEDIA_TYPE]);
  const find = () => openApi.v3(path.slice(OPENAPI_V3.length), encoding ?? 'json');
  // Of another API server nothing may be known before the index was made.
  const document = find() ?? (await openApi.v3Index().then(find));
  if (!document) throw noSuchPath();
  const type = encoding === 'protobuf' ? GNOSTIC_V3_MEDIA_TYPE : 'application/json';
  const hash = query.get('hash');
  exchange.set('vary', 'Accept');
  if (!encoding) return sendNotAcceptable(exchange);
  if (!hash) return sendDocument(exchange, document, 'no-cache, private', type);
  if (hash === document.hash) {
    exchange.set('expires', new Date(clock.now() + YEAR_MS).toUTCString());
    return sendDocument(exchange, document, 'public, immutable', type);
  }
  exchange.begin(301, { location: `${path}?hash=${document.hash}` });
  exchange.end();
}

async function sendSwagger(exchange: Exchange, _info: NonResourceRequestInfo, { openApi }: NonResourceServices) {
  exchange.set('vary', 'Accept-Encoding, Accept');
  const encoding = documentEncoding(exchange.header('accept'), [GNOSTIC_ACCEPTED, GNOSTIC_MEDIA_TYPE]);
  if (!encoding) return sendNotAcceptable(exchange);
  const type = encoding === 'protobuf' ? GNOSTIC_MEDIA_TYPE : 'application/json';
  return sendDocument(exchange, await openApi.v2(encoding), 'no-cache, private', type);
}

/** Without a Status, as upstream answers for documents. */
function sendNotAcceptable(exchange: Exchange): void {
  exchange.begin(406);
  exchange.end();
}

async function sendDocument(
  exchange: Exchange,
  { body, etag }: { body: Uint8Array; etag: string },
  caching = 'public',
  type = 'application/json',
): Promise<void> {
  exchange.set('etag', etag);
  exchange.set('cache-control', caching);
  const known = exchange
    .header('if-none-match')
    .split(',')
    .some((one) => one.trim() === etag);
  if (!known) return sendBody(exchange, 200, { type, body });
  exchange.begin(304);
  exchange.end();
}

const sendCacheable = async (
  exchange: Exchange,
  { signer }: TokenIssuer,
  { type, value }: { type: string; value: object },
): Promise<void> => {
  exchange.set('cache-control', `public, max-age=${signer.keysHoldSeconds()}`);
  return sendBody(exchange, 200, { type, body: Buffer.from(JSON.stringify(value)) });
};

async function sendJson(exchange: Exchange, info: NonResourceRequestInfo, value: object): Promise<void> {
  const space = isForPeople(info.query, exchange.header('user-agent')) ? 2 : undefined;
  return sendBody(exchange, 200, {
    type: 'application/json',
    body: Buffer.from(JSON.stringify(value, undefined, space)),
  });
}
