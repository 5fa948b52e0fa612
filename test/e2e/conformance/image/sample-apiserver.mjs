// An API server of its own for wardle.example.com: flunders in memory, known by the API server in front of it.
// Environment: CERTIFICATES, a folder with tls.crt, tls.key and front-proxy-ca.crt (who may say whose request it is).
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const GROUP = 'wardle.example.com';
const API_VERSION = `${GROUP}/v1alpha1`;
const version = { groupVersion: API_VERSION, version: 'v1alpha1' };
const group = { name: GROUP, versions: [version], preferredVersion: version };
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list'];
const DOCUMENTS = {
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] },
  [`/apis/${GROUP}`]: { kind: 'APIGroup', apiVersion: 'v1', ...group },
  [`/apis/${API_VERSION}`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: API_VERSION,
    resources: [{ name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: VERBS }],
  },
};
const flunders = new Map();
let revision = 1;

const failure = (code, reason, message) => [
  code,
  { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code },
];

function answer({ method, pathname, object, user }) {
  if (DOCUMENTS[pathname]) return [200, DOCUMENTS[pathname]];
  const [, namespace, name] =
    new RegExp(`^/apis/${API_VERSION}/namespaces/([^/]+)/flunders(?:/([^/]+))?$`).exec(pathname) ?? [];
  if (!namespace) return failure(404, 'NotFound', 'the server could not find the requested resource');
  const key = `${namespace}/${name ?? object?.metadata?.name}`;
  const inside = [...flunders].filter(([id]) => id.startsWith(`${namespace}/`));
  if (method === 'POST') {
    const metadata = {
      ...object.metadata,
      namespace,
      uid: randomUUID(),
      resourceVersion: `${++revision}`,
      creationTimestamp: new Date().toISOString(),
      annotations: { 'made-by': user },
    };
    flunders.set(key, { ...object, metadata });
    return [201, flunders.get(key)];
  }
  if (method === 'DELETE') {
    for (const [id] of name ? [[key]] : inside) flunders.delete(id);
    return [200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }];
  }
  if (!name) {
    const items = inside.map(([, item]) => item);
    return [200, { kind: 'FlunderList', apiVersion: API_VERSION, metadata: { resourceVersion: `${revision}` }, items }];
  }
  return flunders.has(key)
    ? [200, flunders.get(key)]
    : failure(404, 'NotFound', `flunders.${GROUP} "${name}" not found`);
}

const folder = process.env.CERTIFICATES;
const read = (file) => readFileSync(`${folder}/${file}`);
const options = {
  cert: read('tls.crt'),
  key: read('tls.key'),
  ca: read('front-proxy-ca.crt'),
  requestCert: true,
  rejectUnauthorized: false,
};
createServer(options, (request, response) => {
  const { pathname } = new URL(request.url, 'https://sample');
  if (pathname === '/healthz') return response.end('ok');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const text = Buffer.concat(chunks).toString('utf8');
    const user = request.socket.authorized ? request.headers['x-remote-user'] : undefined;
    const [code, body] = user
      ? answer({ method: request.method, pathname, user, object: text && JSON.parse(text) })
      : failure(401, 'Unauthorized', 'Unauthorized');
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
}).listen(8443);
process.on('SIGTERM', () => process.exit(0));
