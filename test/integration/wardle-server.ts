/**
 * An API server of somebody else as the conformance test "should be able to support the 1.17 Sample API Server" has it: the
 * group wardle.example.com with flunders, legacy discovery, OpenAPI 2 only, and the front proxy as the only way to be known.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { type ExtensionServer, startExtensionServer } from './extension-server.ts';
import type { HttpsApiServer } from './https-api-server.ts';

export const GROUP = 'wardle.example.com';
export const VERSION = 'v1alpha1';
const ROOT = `/apis/${GROUP}/${VERSION}`;

interface Flunder {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
  };
}

export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  /** As they came, several of one name. */
  raw: [string, string][];
  text: string;
}

export interface WardleServer extends ExtensionServer {
  readonly seen: Seen[];
  readonly flunders: Map<string, Flunder>;
  /** In place of the usual answer. */
  answer: ((request: IncomingMessage & { text: string }, response: ServerResponse) => boolean) | undefined;
  readonly watches: Set<ServerResponse>;
}

const RESOURCES = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: `${GROUP}/${VERSION}`,
  resources: [
    {
      name: 'flunders',
      singularName: '',
      namespaced: true,
      kind: 'Flunder',
      shortNames: ['fl'],
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get', 'update'] },
  ],
};

const DEFINITION = 'com.example.wardle.v1alpha1.Flunder';
const OPENAPI = {
  swagger: '2.0',
  info: { title: 'sample-apiserver', version: '0.1' },
  paths: {
    [`${ROOT}/namespaces/{namespace}/flunders`]: {
      get: {
        operationId: 'listFlunders',
        consumes: ['*/*'],
        produces: ['application/json'],
        parameters: [{ name: 'limit', in: 'query', type: 'integer', uniqueItems: true }],
        responses: { 200: { description: 'OK', schema: { $ref: `#/definitions/${DEFINITION}` } } },
        'x-kubernetes-action': 'list',
        'x-kubernetes-group-version-kind': { group: GROUP, version: VERSION, kind: 'Flunder' },
      },
      parameters: [{ name: 'namespace', in: 'path', required: true, type: 'string', uniqueItems: true }],
    },
    '/version/': { get: { operationId: 'getCodeVersion', responses: { 200: { description: 'OK' } } } },
  },
  definitions: {
    [DEFINITION]: {
      type: 'object',
      description: 'Flunder is an example type.',
      properties: {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
        spec: { type: 'object', properties: { reference: { type: 'string', description: 'Whom it refers to.' } } },
      },
      'x-kubernetes-group-version-kind': [{ group: GROUP, version: VERSION, kind: 'Flunder' }],
    },
    // Not as this server has it: both must be there.
    'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': { type: 'object', properties: { name: { type: 'string' } } },
    'unused.Thing': { type: 'object' },
  },
};

export async function startWardleServer(server: HttpsApiServer, name = 'api.wardle.svc'): Promise<WardleServer> {
  let revision = 1;
  const seen: Seen[] = [];
  const flunders = new Map<string, Flunder>();
  const watches = new Set<ServerResponse>();
  const json = (response: ServerResponse, code: number, value: object) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const fail = (response: ServerResponse, code: number, reason: string, message: string) =>
    json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, metadata: {} });
  const tell = (type: string, object: Flunder) => {
    for (const watch of watches) watch.write(`${JSON.stringify({ type, object })}\n`);
  };
  const put = (object: Flunder, type: string): Flunder => {
    const metadata = {
      ...object.metadata,
      resourceVersion: String(++revision),
      uid: object.metadata.uid ?? `u${revision}`,
    };
    const stored = { ...object, apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata };
    flunders.set(`${metadata.namespace}/${metadata.name}`, stored);
    tell(type, stored);
    return stored;
  };
  const remove = (key: string) => {
    const gone = flunders.get(key)!;
    flunders.delete(key);
    tell('DELETED', { ...gone, metadata: { ...gone.metadata, resourceVersion: String(++revision) } });
  };

  const serve = (request: IncomingMessage & { text: string }, response: ServerResponse): unknown => {
    const url = new URL(request.url ?? '/', 'https://x');
    const { method } = request;
    if (wardle.answer?.(request, response)) return undefined;
    if (!(request.socket as TLSSocket).authorized || !request.headers['x-remote-user'])
      return fail(response, 401, 'Unauthorized', 'Unauthorized');
    if (url.pathname === ROOT) return json(response, 200, RESOURCES);
    if (url.pathname === '/openapi/v2') return json(response, 200, OPENAPI);
    const [, , , , namespaces, namespace = '', resource, name] = url.pathname.split('/');
    const isAll = namespaces === 'flunders';
    if (!url.pathname.startsWith(`${ROOT}/`) || (!isAll && resource !== 'flunders'))
      return fail(response, 404, 'NotFound', 'the server could not find the requested resource');
    const key = `${namespace}/${name}`;
    const items = [...flunders.values()].filter(({ metadata }) => isAll || metadata.namespace === namespace);
    if (!name && method === 'GET' && url.searchParams.get('watch')) {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      watches.add(response);
      response.once('close', () => watches.delete(response));
      return undefined;
    }
    if (!name && method === 'GET')
      return json(response, 200, {
        kind: 'FlunderList',
        apiVersion: `${GROUP}/${VERSION}`,
        metadata: { resourceVersion: String(revision) },
        items,
      });
    if (!name && method === 'POST') {
      const object = JSON.parse(request.text) as Flunder;
      return json(response, 201, put({ ...object, metadata: { ...object.metadata, namespace } }, 'ADDED'));
    }
    if (!name && method === 'DELETE') {
      for (const { metadata } of items) remove(`${metadata.namespace}/${metadata.name}`);
      return json(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success', metadata: {} });
    }
    const found = flunders.get(key);
    if (!found) return fail(response, 404, 'NotFound', `flunders.${GROUP} "${name}" not found`);
    if (method === 'DELETE') {
      remove(key);
      return json(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success', metadata: {} });
    }
    if (method === 'PUT') return json(response, 200, put(JSON.parse(request.text) as Flunder, 'MODIFIED'));
    if (method === 'PATCH') {
      const patch = JSON.parse(request.text) as Partial<Flunder>;
      return json(response, 200, put({ ...found, metadata: { ...found.metadata, ...patch.metadata } }, 'MODIFIED'));
    }
    return json(response, 200, found);
  };

  const extension = await startExtensionServer(
    server,
    (request, response) => {
      const raw = request.rawHeaders;
      seen.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        raw: raw.flatMap((one, i) => (i % 2 ? [] : [[one, raw[i + 1]!] as [string, string]])),
        text: request.text,
      });
      serve(request, response);
    },
    { names: [name], tls: { ca: server.pki.frontProxyCaCertificate, requestCert: true, rejectUnauthorized: false } },
  );
  extension.server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, raw: [], text: '' });
    if (request.url?.endsWith('/refused')) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      return;
    }
    if (request.url?.endsWith('/moved')) {
      socket.end('HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
    socket.on('error', () => undefined);
  });
  const wardle: WardleServer = { ...extension, seen, flunders, watches, answer: undefined };
  return wardle;
}

export const apiService = (more: object = {}) => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: `${VERSION}.${GROUP}` },
  spec: {
    group: GROUP,
    version: VERSION,
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    service: { namespace: 'wardle', name: 'api', port: 443 },
    ...more,
  },
});
