/** Copies of the requests of an Ingress, for somebody whose answers nobody waits for. */
import { expect, test } from 'vitest';
import { MOST_COPIES } from '#network/ingress/mirrors.ts';
import { type AskOptions, ingressLab } from './ingress-lab.ts';

const { ask, backend, behind, change, clock, mirror, route } = ingressLab();

interface Copy {
  method?: string | undefined;
  url?: string | undefined;
  host?: string | undefined;
  body: string;
}

/** Answers with an error, which is nobody's business. */
async function copier(): Promise<{ address: string; port: number; copies: Copy[] }> {
  const copies: Copy[] = [];
  const { address, port } = await backend((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      const { method, url, headers } = request;
      copies.push({ method, url, host: headers.host, body });
      response.writeHead(500).end('no');
    });
  });
  return { address, port, copies };
}
const POST: AskOptions = { method: 'POST', body: 'hello' };
const ASKED = { status: 200 };

test('a request goes to its backend, and a copy of it to the target, under the name of that', async () => {
  const { port, copies } = await copier();
  route({ 'mirror-target': `http://localhost:${port}$request_uri`, 'rewrite-target': '/new' });
  behind(await mirror('web'));
  expect(await ask('/old?x=1', POST)).toMatchObject(ASKED);
  await expect.poll(() => copies).toEqual([{ method: 'POST', url: '/old?x=1', host: 'localhost', body: 'hello' }]);
});

test.each([
  { path: '/copy/$host$uri$is_args$args', url: '/copy/www.example.com/a%20b?x=1' },
  { path: '/fixed', url: '/fixed' },
  { path: '', url: '/a%20b?x=1' },
])('the path $path is $url', async ({ path, url }) => {
  const { port, copies } = await copier();
  route({ 'mirror-target': `http://127.0.0.1:${port}${path}` });
  behind(await mirror('web'));
  await ask('/a%20b?x=1');
  await expect.poll(() => copies.map((copy) => copy.url)).toEqual([url]);
});

test('a name may be given, and bodies kept back', async () => {
  const { port, copies } = await copier();
  const target = `http://127.0.0.1:${port}$request_uri`;
  route({ 'mirror-target': target, 'mirror-host': 'copy.example.com', 'mirror-request-body': 'off' });
  behind(await mirror('web'));
  expect(await ask('/', POST)).toMatchObject(ASKED);
  await expect.poll(() => copies).toEqual([{ method: 'POST', url: '/', host: 'copy.example.com', body: '' }]);
});

test('a Service of the cluster stands for its endpoints; without one the request goes its way all the same', async () => {
  const { address, port, copies } = await copier();
  route({ 'mirror-target': 'http://copy.shop.svc.cluster.local$request_uri' });
  behind(await mirror('web'));
  expect(await ask('/nobody', POST)).toMatchObject(ASKED);
  change({ endpoints: [['shop/copy:80', [{ address, port }]]] });
  expect(await ask('/somebody')).toMatchObject(ASKED);
  await expect.poll(() => copies.map(({ url }) => url)).toEqual(['/somebody']);
});

test('a Service is asked as the target says, however the own backend is asked', async () => {
  const { address, port, copies } = await copier();
  route({ 'backend-protocol': 'HTTPS', 'mirror-target': 'http://copy.shop.svc/here' });
  change({ endpoints: [['shop/copy:80', [{ address, port }]]] });
  behind(await mirror('web')); // which knows no TLS
  expect(await ask('/')).toMatchObject({ status: 502 });
  await expect.poll(() => copies.map(({ url }) => url)).toEqual(['/here']);
});

test('a target that says nothing has so many copies at most, and is left after the time that a backend has', async () => {
  const urls: (string | undefined)[] = [];
  const { port } = await backend(({ url }) => void urls.push(url));
  route({ 'mirror-target': `http://127.0.0.1:${port}` });
  behind(await mirror('web'));
  for (let i = 0; i < MOST_COPIES; i++) expect(await ask('/held')).toMatchObject(ASKED);
  await expect.poll(() => urls.length).toBe(MOST_COPIES);
  for (let i = 0; i < 3; i++) expect(await ask('/too-many')).toMatchObject(ASKED);
  clock.advance(60_000);
  expect(await ask('/next')).toMatchObject(ASKED);
  await expect.poll(() => urls.slice(MOST_COPIES)).toEqual(['/next']);
});

test('an answer that never ends is left as well', async () => {
  const told: string[] = [];
  const { port } = await backend((_, response) => {
    response.on('close', () => told.push('gone'));
    response.write('for ever', () => told.push('begun'));
  });
  route({ 'mirror-target': `http://127.0.0.1:${port}` });
  behind(await mirror('web'));
  expect(await ask('/')).toMatchObject(ASKED);
  await expect.poll(() => told).toEqual(['begun']);
  clock.advance(60_000);
  await expect.poll(() => told).toEqual(['begun', 'gone']);
});

test.each(['nonsense', 'ftp://127.0.0.1/', 'http://127.0.0.1/$cookie_secret'])(
  'a target that cannot be understood counts as absent (%s)',
  async (target) => {
    route({ 'mirror-target': target });
    behind(await mirror('web'));
    expect(await ask('/', POST)).toMatchObject(ASKED);
  },
);

test('who may not ask has no copy sent', async () => {
  const { port, copies } = await copier();
  route({ 'mirror-target': `http://127.0.0.1:${port}`, 'whitelist-source-range': '10.0.0.0/8' }, ['/closed']);
  behind(await mirror('web'));
  expect(await ask('/closed')).toMatchObject({ status: 403 });
  route({ 'mirror-target': `http://127.0.0.1:${port}` });
  expect(await ask('/open')).toMatchObject(ASKED);
  await expect.poll(() => copies.map(({ url }) => url)).toEqual(['/open']);
});
