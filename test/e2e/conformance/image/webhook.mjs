// The webhooks of the conformance tests over HTTPS: admission by path, and conversion of custom resources at /convert.
// Environment: CERTIFICATES, a folder with tls.crt and tls.key.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const MARK = 'webhook-e2e-test';
const allow = { allowed: true };
const deny = (message) => ({ allowed: false, status: { message } });
const patch = (...operations) =>
  operations.length > 0
    ? { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
    : allow;
const isMarked = (fields) => fields?.[MARK] === 'webhook-disallow';

/** Two stages, so that a second webhook can be seen to work on what the first made. */
const stages = ({ object }) =>
  patch(
    ...[
      ['mutation-start', 'mutation-stage-1'],
      ['mutation-stage-1', 'mutation-stage-2'],
    ]
      .filter(([when, then]) => object.data?.[when] === 'yes' && !object.data[then])
      .map(([, then]) => ({ op: 'add', path: `/data/${then}`, value: 'yes' })),
  );

const PATHS = {
  '/always-deny': () => deny('this webhook denies all requests'),
  '/slow': () => new Promise((done) => setTimeout(() => done(allow), 5_000)),
  '/pods': ({ object }) => {
    if (object.metadata.labels?.[MARK] === 'wait-forever') return new Promise(() => undefined);
    const faults = [
      ...(isMarked(object.metadata.labels) ? ['the pod contains unwanted label'] : []),
      ...(object.spec.containers.some(({ name }) => name === 'webhook-disallow')
        ? ['the pod contains unwanted container name']
        : []),
    ];
    return faults.length > 0 ? deny(faults.join('; ')) : allow;
  },
  '/mutating-pods': ({ object }) =>
    object.metadata.name === 'webhook-to-be-mutated'
      ? patch({
          op: 'add',
          path: '/spec/initContainers',
          value: [{ image: 'webhook-added-image', name: 'webhook-added-init-container', resources: {} }],
        })
      : allow,
  '/pods/attach': ({ name }) =>
    name === 'to-be-attached-pod' ? deny("attaching to pod 'to-be-attached-pod' is not allowed") : allow,
  '/configmaps': ({ object }) =>
    isMarked(object.data) ? deny('the configmap contains unwanted key and value') : allow,
  '/mutating-configmaps': stages,
  '/custom-resource': ({ object, oldObject }) =>
    isMarked(object?.data ?? oldObject?.data) ? deny('the custom resource contains unwanted data') : allow,
  '/mutating-custom-resource': stages,
  '/crd': ({ object }) => (isMarked(object.metadata.labels) ? deny('the crd contains unwanted label') : allow),
  '/add-label': ({ object }) =>
    patch({ op: 'add', path: '/metadata/labels', value: { ...object.metadata.labels, 'added-label': 'added-value' } }),
};

/** `hostPort: "host:port"` is v1, `host` and `port` are v2. */
function converted(object, apiVersion) {
  if (object.apiVersion === apiVersion) return object;
  const { hostPort, host, port, ...rest } = object;
  if (apiVersion.endsWith('/v2')) {
    const [name, number] = hostPort.split(':');
    return { ...rest, apiVersion, host: name, port: number };
  }
  return { ...rest, apiVersion, hostPort: `${host}:${port}` };
}
const conversion = ({ uid, objects, desiredAPIVersion }) => ({
  uid,
  convertedObjects: objects.map((object) => converted(object, desiredAPIVersion)),
  result: { status: 'Success' },
});

async function answer(pathname, { apiVersion, kind, request }) {
  const admit = PATHS[pathname];
  const response = kind === 'ConversionReview' ? conversion(request) : { uid: request.uid, ...(await admit(request)) };
  return JSON.stringify({ apiVersion, kind, response });
}

const folder = process.env.CERTIFICATES;
const pair = { cert: readFileSync(`${folder}/tls.crt`), key: readFileSync(`${folder}/tls.key`) };
createServer(pair, (request, response) => {
  const { pathname } = new URL(request.url, 'https://webhook');
  if (pathname === '/readyz') return response.end('ok');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const text = await answer(pathname, JSON.parse(Buffer.concat(chunks).toString('utf8')));
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  });
}).listen(8443);
process.on('SIGTERM', () => process.exit(0));
