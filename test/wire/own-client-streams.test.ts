/** What our own client carries to and from containers, beside stock kubectl 1.36 where that can do it over the same kubelet. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import tar from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { unpack } from '#cli/verbs/copied-files.ts';
import { runVerb } from '#cli/verbs/run-verb.ts';
import { verbs } from '#cli/verbs/verbs.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { masked, ownClient, stockKubectl } from './parity.ts';
import { spoken, startTalkingPod, type TalkingPod } from './talking-pod.ts';

let server: HttpsApiServer;
let talker: TalkingPod;
let folder: string;

const OBJECTS = `
apiVersion: v1
kind: Service
metadata: {name: talker}
spec: {selector: {app: talker}, ports: [{name: http, port: 8000, targetPort: 80}, {name: dns, port: 53, protocol: UDP}, {name: gone, port: 90, targetPort: nope}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting}
spec: {schedulerName: nobody, containers: [{name: c, image: i, ports: [{name: web, containerPort: 80}, {name: voice, containerPort: 70, protocol: UDP}]}]}
`;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-streams-'));
  writeFileSync(join(folder, 'objects.yaml'), OBJECTS);
  for (const name of ['talk', 'theirs', 'mine']) {
    await server.kubectl(['create', 'namespace', name]);
    await server.kubectl(['wait', 'serviceaccount/default', '-n', name, '--for=create', '--timeout=90s']);
  }
  talker = await startTalkingPod(server, 'talk');
  await server.kubectl(['apply', '-n', 'talk', '-f', join(folder, 'objects.yaml')]);
});
afterAll(async () => {
  await talker?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const words = (line: string): string[] => line.split(' ');
const called = (line: string, more: { stdin?: string | undefined } = {}) => ({
  kubeconfig: server.kubeconfig,
  args: words(line),
  folder,
  ...(more.stdin !== undefined && { stdin: more.stdin }),
});
const both = async (line: string, more: { stdin?: string | undefined } = {}) => {
  const [own, stock] = [await ownClient(called(line, more)), await stockKubectl(called(line, more))];
  const told = ({ code, stdout, stderr }: typeof own) => `${line}\n${masked(stdout)}\n--- ${code}\n${masked(stderr)}`;
  return { own: told(own), stock: told(stock) };
};

/** A status as the node of the talking pod would report it. */
const ended = (phase: string, exitCode: number) => ({
  phase,
  containerStatuses: [
    {
      ...{ name: 'main', ready: false, restartCount: 0, image: 'i', imageID: '' },
      state: { terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', message: 'told' } },
    },
  ],
});
const RUNNING = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };

describe.skipIf(!packagedKubectl())('who runs a pod stays with it as with kubectl', () => {
  test.each<[string, object, string?]>([
    ['done --attach --restart=Never', ended('Succeeded', 0)],
    ['failed --attach --restart=Never --rm', ended('Failed', 3)],
    ['odd --attach --restart=Never --rm', ended('Failed', 0)],
    ['quiet -i -q --restart=OnFailure --rm', ended('Succeeded', 0), ''],
    ['here -i --rm --port=80 --expose', RUNNING, 'hello\n'],
    ['hushed -i -q --rm --image-pull-policy=Never', RUNNING, 'hello\n'],
    ['stays --attach --leave-stdin-open -i --restart=Never', RUNNING, 'hello\n'],
    ['late --attach --pod-running-timeout=1s --rm', {}],
  ])('run %s', async (line, status, stdin) => {
    const [name = ''] = words(line);
    const told = ['theirs', 'mine'].map(async (namespace) => {
      const overrides = JSON.stringify({ spec: { nodeName: 'talking-node' } });
      const more = `--image=i --overrides=${overrides} -n ${namespace}`;
      const running = (namespace === 'mine' ? ownClient : stockKubectl)(called(`run ${line} ${more}`, { stdin }));
      await server.kubectl(['wait', '--for=create', `pod/${name}`, '-n', namespace, '--timeout=90s']);
      const at = { name, namespace, subresource: 'status' };
      await server.api.loopback.client.patch(Pod, at, { type: 'merge', patch: { status } });
      const { code, stdout, stderr } = await running;
      return `${masked(stdout)}\n--- ${code}\n${masked(stderr)}`.replaceAll(namespace, 'NS');
    });
    const [stock, own] = await Promise.all(told);
    expect(own).toBe(stock);
  });
});

describe.skipIf(!packagedKubectl())('refuses as kubectl does', () => {
  test.each([
    'port-forward',
    'port-forward talker',
    'port-forward nope 80 -n talk',
    'port-forward talker nope -n talk',
    'port-forward talker 70000 -n talk',
    'port-forward talker 8080:0 -n talk',
    'port-forward talker 80 --address=here -n talk',
    'port-forward waiting web -n talk',
    'port-forward waiting voice -n talk',
    'port-forward svc/talker 81 -n talk',
    'port-forward svc/talker nope -n talk',
    'port-forward svc/talker dns -n talk',
    'port-forward svc/talker gone -n talk',
    'cp',
    'cp a',
    'cp a b',
    'cp talker:/a talker:/b -n talk',
    'cp talker: b -n talk',
    'cp :a b',
    'cp a/b/c:d e',
    'cp nope talker:/a -n talk',
    'cp nope:/a b -n talk',
    'cp talker:a b -c nope -n talk',
  ])('%s', async (line) => {
    const { own, stock } = await both(line);
    expect(own).toBe(stock);
  });
});

describe.skipIf(!packagedKubectl())('commands and logs', () => {
  test.each<[string, string?]>([
    ['exec talker -n talk -- echo a b'],
    ['exec talker -n talk -c side -- echo a'],
    ['exec pod/talker -n talk -c nope -- echo a'],
    ['exec talker -n talk -q -- warn careful'],
    ['exec talker -n talk -c main -- exit 3'],
    ['exec talker -n talk -c main -- nope'],
    ['exec -i talker -n talk -c main -- cat', 'in and out'],
    ['exec -it talker -n talk -c main -- cat', 'no terminal'],
    ['attach -i talker -n talk -c main', 'hello\n'],
    ['logs talker -n talk'],
    ['logs talker -n talk -c side --tail=1'],
    ['logs talker side -n talk'],
    ['logs talker -n talk -c side --prefix'],
    ['logs -l app=talker -n talk -c main'],
    ['logs -l app=nope -n talk'],
    ['logs talker -n talk -c a --all-containers'],
    ['logs talker -n talk --since=5s --since-time=2026-01-01T00:00:00Z'],
  ])('%s', async (line, stdin) => {
    const { own, stock } = await both(line, { stdin });
    expect(own).toBe(stock);
  });
});

/** One that goes on until it is told to end. */
async function started(line: string) {
  const [name, ...args] = words(line);
  const ending = new AbortController();
  const said = { out: '', err: '' };
  let changed: () => void = () => undefined;
  const io = {
    out: (text: string | Uint8Array) => {
      said.out += text;
      changed();
    },
    err: (text: string | Uint8Array) => {
      said.err += text;
      changed();
    },
    readAll: async () => '',
    stdin: new PassThrough(),
    env: { HOME: '/nonexistent', KUBECONFIG: server.kubeconfig },
    folder,
    clock: systemClock,
    signal: ending.signal,
  };
  const ended = runVerb(await verbs.find((verb) => verb.name === name)!.load(), args, io);
  return {
    said,
    async until(pattern: RegExp, where: 'out' | 'err' = 'out'): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(said[where]);
        if (found) return found;
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
    },
    ended,
    async end() {
      ending.abort();
      return ended;
    },
  };
}

test.each([true, false])(
  'port-forward carries connections to a port of a pod, of a Service too, and tells what goes wrong (SPDY: %s)',
  async (takesSpdy) => {
    talker.manners.takesSpdy = takesSpdy;
    const forwarding = await started('port-forward svc/talker :http -n talk --address=127.0.0.1');
    const [, port] = await forwarding.until(/Forwarding from 127\.0\.0\.1:(\d+) -> 80\n/);
    expect(await Promise.all([spoken(Number(port), 'hello.\n'), spoken(Number(port), 'again.\n')])).toEqual([
      'HELLO.\n',
      'AGAIN.\n',
    ]);
    expect(forwarding.said.out.match(/Handling connection for \d+\n/g)).toHaveLength(2);
    expect(await forwarding.end()).toBe(0);

    const refused = await started('port-forward talker :81 -n talk --address=127.0.0.1');
    const [, closed] = await refused.until(/Forwarding from 127\.0\.0\.1:(\d+) -> 81\n/);
    expect(await spoken(Number(closed), 'anybody?').catch(() => '')).toBe('');
    expect(await refused.ended).toBe(1); // as kubectl does, which asks for no more
    expect(refused.said.err).toMatch(
      /^an error occurred forwarding \d+ -> 81: connect: connection refused\nerror: lost connection to pod\n$/,
    );

    const taken = await ownClient(called(`port-forward talker ${server.port}:80 -n talk --address=127.0.0.1`));
    expect([taken.code, taken.stderr]).toEqual([
      1,
      `Unable to listen on port ${server.port}: Listeners failed to create with the following errors: [unable to create listener: Error listen tcp4 127.0.0.1:${server.port}: bind: address already in use]\n` +
        `error: unable to listen on any of the requested ports: [{${server.port} 80}]\n`,
    ]);
  },
);

test('port-forward: who has said all still hears the answer', async () => {
  talker.manners.takesSpdy = true;
  const forwarding = await started('port-forward talker :80 -n talk --address=127.0.0.1');
  const [, port] = await forwarding.until(/Forwarding from 127\.0\.0\.1:(\d+) -> 80\n/);
  const large = 'x'.repeat(1_000_000); // no full stop: it answers when it has heard the end
  expect([await spoken(Number(port), 'all of it'), forwarding.said.err]).toEqual(['ALL OF IT', '']);
  expect((await spoken(Number(port), large)) === large.toUpperCase()).toBe(true);
  await forwarding.end();
});

/** Stock kubectl that goes on until it is told to end. */
function startedStock(line: string) {
  const child = spawn(packagedKubectl()!, words(line), {
    env: { HOME: folder, KUBECONFIG: server.kubeconfig, PATH: process.env['PATH'] },
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data) => (said.out += data));
  child.stderr.on('data', (data) => (said.err += data));
  return { said, child, ended: new Promise<number | null>((resolve) => child.once('close', resolve)) };
}

describe.skipIf(!packagedKubectl())('port-forward ends as kubectl does', () => {
  const LINE = 'port-forward talker :81 -n talk --address=127.0.0.1';
  const LISTENING = /Forwarding from 127\.0\.0\.1:(\d+) -> 81\n/;
  /** kubectl tells what is wrong with one connection as a line of its log. */
  const told = ({ out, err }: { out: string; err: string }) =>
    `${out}${err}`.replace(/:\d+ ->|for \d+/g, 'PORT').replace(/^(E\d|an error occurred forwarding).*\n/gm, '');

  test.each<[string, (port: number) => unknown]>([
    ['when the node hangs up', () => talker.hangUp()],
    ['when nobody is at the port', (port) => spoken(port, 'anybody?').catch(() => '')],
  ])('%s', async (_name, happen) => {
    talker.manners.takesSpdy = true;
    const stock = startedStock(LINE);
    try {
      await expect.poll(() => stock.said.out).toMatch(LISTENING);
      await happen(Number(LISTENING.exec(stock.said.out)![1]));
      const code = await stock.ended;
      const own = await started(LINE);
      await happen(Number((await own.until(LISTENING))[1]));
      expect([await own.ended, told(own.said)]).toEqual([code, told(stock.said)]);
      expect(own.said.err).toMatch(/error: lost connection to pod\n$/);
    } finally {
      stock.child.kill();
    }
  });
});

describe('cp', () => {
  test.skipIf(!packagedKubectl())('into a container and out of it, files and folders, as kubectl does', async () => {
    mkdirSync(join(folder, 'tree/deep/empty'), { recursive: true });
    writeFileSync(join(folder, 'tree/deep/large'), 'x'.repeat(3_000_000));
    writeFileSync(join(folder, 'tree/none'), '');
    symlinkSync('none', join(folder, 'tree/link'));
    for (const who of ['own', 'stock'] as const) {
      const run = who === 'own' ? ownClient : stockKubectl;
      mkdirSync(join(talker.folder, who, 'there'), { recursive: true });
      expect(await run(called(`cp tree talker:${who}/there -n talk -c main`))).toMatchObject({ code: 0, stderr: '' });
      expect(await run(called(`cp tree/none talk/talker:${who}/renamed -c main`))).toMatchObject({ code: 0 });
      expect(await run(called(`cp -n talk -c main talker:${who} ${who}-back`))).toMatchObject({ code: 0 });
    }
    const listed = (path: string) => {
      const { stdout } = spawnSync('find', ['.', '-printf', '%y %m %p %s %l\n'], { cwd: path, encoding: 'utf8' });
      return stdout
        .split('\n')
        .filter((line) => !line.startsWith('d '))
        .sort();
    };
    expect(listed(join(talker.folder, 'own'))).toEqual(listed(join(talker.folder, 'stock')));
    expect(listed(join(folder, 'own-back'))).toEqual(listed(join(folder, 'stock-back')));
    expect(readFileSync(join(folder, 'own-back/there/tree/deep/large'), 'utf8')).toHaveLength(3_000_000);
    // kubectl ends well where the container's tar did not.
    expect(await ownClient(called('cp -n talk -c main talker:missing out'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/missing: .*No such file[\s\S]*command terminated with exit code 2\n$/),
    });
  });

  test('an archive that breaks off is asked for from there on, as often as --retries says', async () => {
    const large = Array.from({ length: 200_000 }, (_, n) => `${n}\n`).join('');
    writeFileSync(join(talker.folder, 'broken off'), large);
    mkdirSync(join(talker.folder, 'bin'), { recursive: true });
    // Twice no more than 100,000 bytes come.
    const tail = spawnSync('which', ['tail'], { encoding: 'utf8' }).stdout.trim();
    const cut = `if [ -e cut2 ]; then exec ${tail} "$@"; fi\nif [ -e cut1 ]; then touch cut2; else touch cut1; fi\n${tail} "$@" | head -c 100000`;
    writeFileSync(join(talker.folder, 'bin/tail'), `#!/bin/sh\n${cut}\n`, { mode: 0o755 });
    const copy = (retries: number) =>
      ownClient({
        ...called(''),
        args: ['cp', '-n', 'talk', '-c', 'main', `--retries=${retries}`, 'talker:broken off', 'whole'],
      });
    expect(await copy(1)).toMatchObject({
      code: 1,
      stdout: 'Resuming copy at 100000 bytes, retry 1/1\nDropping out copy after 1 retries\n',
      stderr: 'error: unexpected EOF\n',
    });
    for (const name of ['cut1', 'cut2']) rmSync(join(talker.folder, name));
    expect(await copy(5)).toMatchObject({
      code: 0,
      stdout: 'Resuming copy at 100000 bytes, retry 1/5\nResuming copy at 200000 bytes, retry 2/5\n',
      stderr: '',
    });
    expect(readFileSync(join(folder, 'whole'), 'utf8') === large).toBe(true);
  });

  test('an archive that leads out of its place writes nothing there', async () => {
    const archive = tar.pack();
    archive.entry({ name: 'pack/fine' }, 'fine');
    archive.entry({ name: 'pack/../../outside' }, 'evil');
    archive.entry({ name: 'pack/away', type: 'symlink', linkname: '/tmp' });
    archive.entry({ name: 'pack/away/through' }, 'evil');
    archive.finalize();
    let warned = '';
    const into = join(folder, 'kept/here');
    await unpack(archive as never, { prefix: 'pack', into, shown: 'here', warn: (text) => (warned += text) });
    expect(warned).toBe(
      'warning: file "../outside" is outside target destination, skipping\nwarning: skipping symlink: "here/away" -> "/tmp"\n'.replace(
        '"../outside"',
        '"here/outside"',
      ),
    );
    expect(readFileSync(join(into, 'fine'), 'utf8')).toBe('fine');
    expect(readFileSync(join(into, 'away/through'), 'utf8')).toBe('evil');
    expect(existsSync(join(folder, 'outside'))).toBe(false);
    const other = tar.pack();
    other.entry({ name: 'elsewhere' }, 'x');
    other.finalize();
    await expect(unpack(other as never, { prefix: 'pack', into, shown: '', warn: () => undefined })).rejects.toThrow(
      'tar contents corrupted',
    );
  });
});
