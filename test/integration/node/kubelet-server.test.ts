import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { Pod } from '#api/core/v1/pod.ts';
import { SpdyConnection } from '#client/transport/spdy/connection.ts';
import { ensurePki } from '#cmd/pki/pki.ts';
import { busyboxImage } from '../../node/busybox-image.ts';
import { type KubeletFixture, NODE, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../../node/private-containerd.ts';
import { systemClock } from '../../node/system-clock.ts';

let containerd: PrivateContainerd;
let fixture: KubeletFixture;
let pod: Pod | undefined;
let tls: { ca: string; cert: string; key: string; servername: string };
const ALLOWED = 'kube-apiserver-kubelet-client';

beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.3.0/24');
  const pki = ensurePki({ directory: join(containerd.directory, 'pki'), clock: systemClock });
  const serving = pki.issueServer('kubelet', {
    commonName: `system:node:${NODE}`,
    names: [NODE],
    addresses: ['127.0.0.1'],
  });
  const client = pki.issueClient('client', { user: ALLOWED, groups: ['testers'] });
  tls = { ca: pki.caCertificate, cert: client.certificate, key: client.key, servername: NODE };
  fixture = await startKubeletFixture(containerd, {
    port: 0,
    server: { certificate: serving.certificate, key: serving.key, clientCA: pki.caCertificate, host: '127.0.0.1' },
  });
  fixture.api.answers.set('POST tokenreviews', (body) => {
    const { token } = (body as { spec: { token: string } }).spec;
    return { status: token === 'good' ? { authenticated: true, user: { username: 'bob', groups: [] } } : {} };
  });
  fixture.api.answers.set('POST subjectaccessreviews', (body) => {
    const { user, resourceAttributes } = (body as { spec: { user: string; resourceAttributes: { name: string } } })
      .spec;
    return { status: { allowed: user === ALLOWED && resourceAttributes.name === NODE } };
  });
  const script =
    'i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); done; echo oops >&2; exec httpd -f -p 8080 -h /etc';
  await fixture.client.create(
    Pod,
    podOf('web', { containers: [{ name: 'main', command: ['/bin/sh', '-c', script] }] }),
  );
  pod = await fixture.api.until<Pod>(
    '/api/v1/namespaces/default/pods/web',
    (now) => now?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true,
  );
});
afterAll(async () => {
  await fixture.close();
  await containerd.close();
});

const port = () => fixture.kubelet.serverPort() ?? 0;

async function call(
  path: string,
  options: RequestOptions & { body?: Buffer } = {},
): Promise<{ code: number; body: string }> {
  const { body, ...rest } = options;
  const outgoing = httpsRequest({ host: '127.0.0.1', port: port(), path, agent: false, ...tls, ...rest });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  return { code: response.statusCode, body: await text(response) };
}

async function spdy(path: string, protocols: string[]): Promise<{ connection: SpdyConnection; protocol: string }> {
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocols };
  const outgoing = httpsRequest({
    host: '127.0.0.1',
    port: port(),
    path,
    method: 'POST',
    agent: false,
    ...tls,
    headers,
  });
  outgoing.end();
  const [response, socket, head] = await once(outgoing, 'upgrade');
  if (head.length > 0) socket.unshift(head);
  return {
    connection: new SpdyConnection(socket, { side: 'client' }),
    protocol: response.headers['x-stream-protocol-version'],
  };
}

/** The bytes inside of a WebSocket's messages. The library's client refuses protocols with a slash in their name. */
async function webSocketBytes(path: string, protocol: string): Promise<Duplex> {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
    'Sec-WebSocket-Protocol': protocol,
  };
  const outgoing = httpsRequest({ host: '127.0.0.1', port: port(), path, agent: false, ...tls, headers });
  outgoing.end();
  const [response, socket, head] = await once(outgoing, 'upgrade');
  expect(response.headers['sec-websocket-protocol']).toBe(protocol);
  let rest: Buffer = head;
  const bytes = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      const header = Buffer.from([0x82, 0x80 | 126, chunk.length >> 8, chunk.length & 0xff, 0, 0, 0, 0]); // masked with 0
      socket.write(Buffer.concat([header, chunk]), done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const short = (rest[1] ?? 0) & 0x7f;
      const start = short === 126 ? 4 : 2;
      const length = short === 126 && rest.length >= 4 ? rest.readUInt16BE(2) : short;
      if (rest.length < start || rest.length < start + length) return;
      if (((rest[0] ?? 0) & 0xf) === 2) bytes.push(rest.subarray(start, start + length));
      rest = rest.subarray(start + length);
    }
  });
  socket.on('close', () => bytes.destroy());
  return bytes;
}

interface Outcome {
  output: string;
  errors: string;
  status: string;
}

/** Runs a command over a WebSocket, giving it `input`. */
async function execOver(protocol: string | undefined, command: string[], input?: Buffer): Promise<Outcome> {
  const query = new URLSearchParams({ output: '1', error: '1', ...(input && { input: '1' }) });
  for (const part of command) query.append('command', part);
  const client = new WebSocket(
    `wss://127.0.0.1:${port()}/exec/default/web/main?${query}`,
    protocol ? [protocol] : [],
    tls,
  );
  const said: string[] = ['', '', '', ''];
  const isText = protocol?.includes('base64') ?? false;
  client.on('message', (raw: Buffer) => {
    const channel = isText ? Number(raw.toString()[0]) : (raw[0] ?? 0);
    said[channel] += isText
      ? Buffer.from(raw.toString().slice(1), 'base64').toString('latin1')
      : raw.subarray(1).toString('latin1');
  });
  await once(client, 'open');
  for (let at = 0; input && at < input.length; at += 65_536)
    client.send(Buffer.concat([Buffer.from([0]), input.subarray(at, at + 65_536)]));
  if (input && protocol === 'v5.channel.k8s.io') client.send(Buffer.from([255, 0]));
  await once(client, 'close');
  return { output: said[1] ?? '', errors: said[2] ?? '', status: said[3] ?? '' };
}

test('who is unknown gets 401, who may not gets 403, both in upstream’s words', async () => {
  expect(await call('/pods', { cert: undefined, key: undefined })).toEqual({ code: 401, body: 'Unauthorized\n' });
  const bad = await call('/pods', { cert: undefined, key: undefined, headers: { authorization: 'Bearer bad' } });
  expect(bad.code).toBe(401);
  const bob = await call('/pods', { cert: undefined, key: undefined, headers: { authorization: 'Bearer good' } });
  expect(bob).toMatchObject({ code: 403 });
  expect(bob.body).toContain('Forbidden (user=bob, verb=get, resource=nodes, subresource(s)=[pods proxy])');
});

test('health, pods and what does not exist', async () => {
  expect(await call('/healthz')).toEqual({ code: 200, body: 'ok' });
  expect(JSON.parse((await call('/pods')).body).items[0].metadata.name).toBe('web');
  expect((await call('/nothing')).code).toBe(404);
  expect((await call('/containerLogs/default/none/main')).body).toBe('pod does not exist\n');
  expect((await call('/containerLogs/default/web/none')).body).toBe('container not found ("none")\n');
});

const logs = async (query: string) => (await call(`/containerLogs/default/web/main?${query}`)).body;
const lines = [0, 1, 2, 3, 4].map((i) => `line ${i}\n`);

test('logs as they were written, and as they are asked for', async () => {
  await expect.poll(() => logs('stream=Stderr')).toBe('oops\n');
  expect(await logs('stream=Stdout')).toBe(lines.join(''));
  expect((await logs('tailLines=2')).split('\n')).toHaveLength(3);
  expect(await logs('tailLines=0')).toBe('');
  expect(await logs('limitBytes=3')).toHaveLength(3);
  expect(await logs('sinceTime=2100-01-01T00:00:00Z')).toBe('');
  expect(await logs('timestamps=true&stream=Stdout')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z line 0\n/);
  expect(await logs('previous=true')).toBe('previous terminated container "main" in pod "web" not found\n');
});

test('followed logs arrive as they are written, and end when the container does', async () => {
  const script = 'echo one; sleep 0.3; echo two; sleep 0.3; echo three';
  await fixture.client.create(
    Pod,
    podOf('talk', { restartPolicy: 'Never', containers: [{ name: 'main', command: ['/bin/sh', '-c', script] }] }),
  );
  await fixture.api.until<Pod>('/api/v1/namespaces/default/pods/talk', (now) => {
    const { running, terminated } = now?.status?.containerStatuses?.[0]?.state ?? {};
    return (running ?? terminated) !== undefined;
  });
  const followed = await call('/containerLogs/default/talk/main?follow=true');
  expect(followed.body).toBe('one\ntwo\nthree\n');
});

for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io'])
  test(`exec over ${protocol}: output, errors and the exit code`, async () => {
    const { output, errors, status } = await execOver(protocol, ['/bin/sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect([output, errors]).toEqual(['out\n', 'err\n']);
    expect(JSON.parse(status)).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
  });

test('exec over channel.k8s.io and over no protocol at all: a success has nothing to say', async () => {
  for (const protocol of ['channel.k8s.io', undefined]) {
    const { output, status } = await execOver(protocol, ['/bin/echo', 'hello']);
    expect([output, status]).toEqual(['hello\n', '']);
  }
});

test('exec over v5 takes eight megabytes of input and sees its end', async () => {
  const input = Buffer.alloc(8 * 1024 * 1024, 'kedge');
  const { output, status } = await execOver('v5.channel.k8s.io', ['/bin/md5sum'], input);
  expect(output.split(' ')[0]).toBe(createHash('md5').update(input).digest('hex'));
  expect(JSON.parse(status)).toMatchObject({ status: 'Success' });
});

test('a command that cannot be run says why, though it was given input', async () => {
  const { status } = await execOver('v5.channel.k8s.io', ['/bin/none'], Buffer.from('input'));
  expect(JSON.parse(status)).toMatchObject({ status: 'Failure', message: expect.stringContaining('/bin/none') });
});

test('a terminal has the size that the client says', async () => {
  const script = 'while [ -z "$(stty size 2>/dev/null)" ]; do sleep 0.05; done; stty size'; // 0 0 until it is told
  const query = `input=1&output=1&tty=1&command=/bin/sh&command=-c&command=${encodeURIComponent(script)}`;
  const client = new WebSocket(`wss://127.0.0.1:${port()}/exec/default/web/main?${query}`, ['v5.channel.k8s.io'], tls);
  let said = '';
  client.on('message', (raw: Buffer) => {
    if (raw[0] === 1) said += raw.subarray(1).toString();
  });
  await once(client, 'open');
  client.send(Buffer.concat([Buffer.from([4]), Buffer.from('{"Width":123,"Height":45}')]));
  await once(client, 'close');
  expect(said).toContain('45 123');
});

test('exec over SPDY goes through untouched', async () => {
  const { connection, protocol } = await spdy('/exec/default/web/main?output=1&command=/bin/echo&command=spdy', [
    'v4.channel.k8s.io',
    'v3.channel.k8s.io',
  ]);
  expect(protocol).toBe('v4.channel.k8s.io');
  const error = await connection.open(new Map([['streamtype', 'error']]));
  const stdout = await connection.open(new Map([['streamtype', 'stdout']]));
  expect(await text(stdout)).toBe('spdy\n');
  expect(JSON.parse(await text(error))).toMatchObject({ status: 'Success' });
  connection.destroy();
});

async function forwardOver(connection: SpdyConnection, to: number): Promise<{ answer: string; error: string }> {
  const headers = (streamtype: string) =>
    new Map([
      ['streamtype', streamtype],
      ['port', String(to)],
      ['requestid', '0'],
    ]);
  const error = await connection.open(headers('error'), { isLast: true });
  const data = await connection.open(headers('data'));
  data.end('GET /passwd HTTP/1.0\r\n\r\n');
  const both = await Promise.all([text(data), text(error)]);
  connection.destroy();
  return { answer: both[0], error: both[1] };
}

test('port-forward over SPDY and over SPDY in a WebSocket', async () => {
  const plain = await spdy('/portForward/default/web', ['portforward.k8s.io']);
  expect((await forwardOver(plain.connection, 8080)).answer).toContain('root:x:0:0');
  const closed = await spdy('/portForward/default/web', ['portforward.k8s.io']);
  expect((await forwardOver(closed.connection, 9)).error).toContain('connection refused');
  const socket = await webSocketBytes('/portForward/default/web', 'SPDY/3.1+portforward.k8s.io');
  const inside = new SpdyConnection(socket, { side: 'client' });
  expect((await forwardOver(inside, 8080)).answer).toContain('root:x:0:0');
});

test('an upgrade that is not allowed or not possible is answered with why', async () => {
  const refused = (path: string, options: RequestOptions) =>
    call(path, { ...options, headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', ...options.headers } });
  expect((await refused('/exec/default/web/main?output=1&command=x', { cert: undefined, key: undefined })).code).toBe(
    401,
  );
  expect((await refused('/exec/default/none/main?output=1&command=x', {})).code).toBe(404);
  expect((await refused('/exec/default/web/main?command=x', {})).body).toBe(
    'you must specify at least 1 of stdin, stdout, stderr\n',
  );
  expect(
    (await refused('/exec/default/web/main?output=1&command=x', { headers: { 'X-Stream-Protocol-Version': 'v9' } }))
      .code,
  ).toBe(403);
});

test('the summary holds real numbers of node, pod and container', async () => {
  const summary = JSON.parse((await call('/stats/summary')).body);
  const web = summary.pods.find((one: { podRef: { name: string } }) => one.podRef.name === 'web');
  expect(web.podRef.uid).toBe(pod?.metadata.uid);
  expect(web.memory.workingSetBytes).toBeGreaterThan(0);
  expect(web.cpu.usageCoreNanoSeconds).toBeGreaterThan(0);
  expect(web.network).toMatchObject({ name: 'eth0' });
  expect(web.containers[0]).toMatchObject({ name: 'main' });
  expect(summary.node.fs.capacityBytes).toBeGreaterThan(0);
  expect((await call('/metrics/resource')).body).toMatch(
    /container_memory_working_set_bytes\{container="main",namespace="default",pod="web"\} \d+/,
  );
  const own = (await call('/metrics')).body;
  expect(own).toContain('kubelet_running_pods');
  expect(own).toMatch(/^kubelet_pod_start_duration_seconds_count [1-9]/m);
  expect(own).toMatch(/^kubelet_runtime_operations_total\{operation_type="run_podsandbox"\} [1-9]/m);
});

test('metrics for dashboards and of probes, the configuration, and what really runs', async () => {
  const cadvisor = (await call('/metrics/cadvisor')).body;
  expect(cadvisor).toMatch(
    /^container_memory_working_set_bytes\{container="main",id="[^"]+\/pod[^"]+",image="[^"]+",name="[^"]+",namespace="default",pod="web"\} [1-9]/m,
  );
  expect(cadvisor).toMatch(/^container_cpu_usage_seconds_total\{.*pod="web",cpu="total"\} [\d.e-]+$/m);
  expect(cadvisor).toMatch(/^machine_cpu_cores [1-9]/m);
  const resource = (await call('/metrics/resource')).body;
  expect(resource).toMatch(/^pod_memory_working_set_bytes\{namespace="default",pod="web"\} [1-9]\d* \d{13}$/m);
  expect(resource).toContain('\nresource_scrape_error 0\n');
  const probed = {
    readinessProbe: {
      exec: { command: ['true'] },
      periodSeconds: 1,
      timeoutSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3,
    },
  };
  const command = ['/bin/sh', '-c', 'sleep 600'];
  await fixture.client.create(Pod, podOf('probed', { containers: [{ name: 'main', command, ...probed }] }));
  await fixture.api.until<Pod>(
    '/api/v1/namespaces/default/pods/probed',
    (now) => now?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true,
  );
  expect((await call('/metrics/probes')).body).toMatch(
    /^prober_probe_total\{container="main",namespace="default",pod="probed",pod_uid="[^"]+",probe_type="Readiness",result="successful"\} [1-9]/m,
  );
  expect(JSON.parse((await call('/configz')).body).kubeletconfig).toMatchObject({
    kind: 'KubeletConfiguration',
    maxPods: 110,
  });
  const running = JSON.parse((await call('/runningpods/')).body);
  expect(running.items.map(({ metadata }: Pod) => metadata.name).sort()).toEqual(['probed', 'web']);
});

test('an image that is put is there to be run', async () => {
  const body = await busyboxImage('kedge.local/put:1', { Cmd: ['/bin/true'] });
  const answer = await call('/images', { method: 'PUT', body });
  expect([answer.code, JSON.parse(answer.body)]).toEqual([200, { images: ['kedge.local/put:1'] }]);
  expect(await containerd.runtime.imageStatus('kedge.local/put:1')).toBeDefined();
  expect((await call('/images', { method: 'PUT', body: Buffer.from('nonsense') })).code).toBe(500);
});

test('/logs shows the logs of the node as files, and nothing outside of them', async () => {
  expect((await call('/logs/')).body).toContain('<a href="pods/">pods/</a>');
  const folder = `default_web_${pod?.metadata.uid}`;
  expect((await call('/logs/pods/')).body).toContain(`<a href="${folder}/">${folder}/</a>`);
  const { code, body } = await call(`/logs/pods/${folder}/main/0.log`);
  expect({ code, body }).toEqual({ code: 200, body: expect.stringMatching(/^\S+ stdout F line 0$/m) });
  symlinkSync('/etc', join(fixture.kubelet.folders.logs, 'out'));
  for (const path of ['/logs/pods/out/passwd', '/logs/pods/%2e%2e/x', '/logs/etc/passwd', '/logs/pods/none'])
    expect(await call(path)).toEqual({ code: 404, body: '404 page not found\n' });
});

test('/checkpoint answers as upstream does where the runtime knows of none', async () => {
  const post = (path: string) => call(`/checkpoint/${path}`, { method: 'POST' });
  expect(await post('default/none/main')).toEqual({ code: 404, body: 'pod does not exist\n' });
  expect(await post('default/web/none')).toEqual({ code: 404, body: 'container none does not exist\n' });
  expect(await post('default/web/main?timeout=soon')).toEqual({
    code: 404,
    body: 'cannot parse value of timeout parameter\n',
  });
  const { code, body } = await post('default/web/main');
  expect(code).toBe(500);
  expect(body).toMatch(
    /^checkpointing of default\/web\/main failed \(rpc error: code = Unimplemented desc = .*CheckpointContainer/,
  );
});
