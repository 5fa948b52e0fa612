/** What conformance asks of kubectl: the stock one, against real pods. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually, holds } from '../running-cluster.ts';
import { IMAGE, SERVER } from './image.ts';
import { container, object, playground, pod, shell } from './playground.ts';

/** One backend keeps what it is told, another asks it; a frontend passes on. As JSON documents over HTTP, on port 8080. */
const GUESTBOOK = `
const http = require('node:http');
const [role] = process.argv.slice(1);
let entries = [];
const ask = (host, path) => fetch('http://' + host + ':8080' + path).then((answer) => answer.text());
http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://guestbook');
  const entry = url.searchParams.get('set');
  const say = (text) => response.end(text);
  if (role === 'primary') {
    if (entry) entries.push(entry);
    return say(JSON.stringify(entries));
  }
  const host = role === 'replica' || entry ? 'primary' : 'replica';
  say(await ask(host, url.pathname + url.search).catch((error) => { response.statusCode = 503; return String(error); }));
}).listen(8080);
process.on('SIGTERM', () => process.exit(0));
`;

describe('kubectl', () => {
  const ground = playground('kubectl', async () => undefined);
  const tryKubectl = (args: readonly string[], input?: string) =>
    ground().cluster.tryKubectl(['-n', ground().namespace, ...args], input === undefined ? {} : { input });
  const kubectl = async (...args: string[]) => good(args, await tryKubectl(args));
  const apply = async (verb: string, ...objects: object[]) => {
    const input = objects.map((each) => JSON.stringify(each)).join('\n---\n');
    return good([verb], await tryKubectl([verb, '-f', '-'], input));
  };
  function good(args: readonly string[], { code, stdout, stderr }: { code: number; stdout: string; stderr: string }) {
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }
  const controller = (name: string, replicas: number, main = container({ command: SERVER })) =>
    object('ReplicationController', name, {
      spec: {
        replicas,
        selector: { app: name },
        template: {
          metadata: { labels: { app: name, role: 'primary' } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [{ ...main, ports: [{ name: 'http', containerPort: 8080 }] }],
          },
        },
      },
    });
  const runningOf = async (app: string) => {
    const template = '{{range .items}}{{if eq .status.phase "Running"}}{{.metadata.name}} {{end}}{{end}}';
    return (await kubectl('get', 'pods', '-l', `app=${app}`, '-o', `go-template=${template}`))
      .split(' ')
      .filter(Boolean);
  };
  const run = async (app: string, count: number) =>
    eventually(`${count} pods of ${app} run`, async () => {
      const pods = await runningOf(app);
      return pods.length === count && pods;
    });

  test('Kubectl client Update Demo should create and stop a replication controller', async () => {
    await apply('create', controller('demo', 2));
    await run('demo', 2);
    expect(await kubectl('delete', 'rc', 'demo', '--grace-period=0', '--force')).toContain('force deleted');
    await eventually('its pods are gone', async () => (await ground().pods('app=demo')).length === 0);
  });

  test('Kubectl client Update Demo should scale a replication controller', async () => {
    await apply('create', controller('scaled', 2));
    await run('scaled', 2);
    await kubectl('scale', 'rc', 'scaled', '--replicas=1', '--timeout=5m');
    await run('scaled', 1);
    await kubectl('scale', 'rc', 'scaled', '--replicas=2', '--timeout=5m');
    await run('scaled', 2);
    await kubectl('delete', 'rc', 'scaled');
  });

  test('Kubectl client Guestbook application should create and stop a working application', async () => {
    const roles = ['frontend', 'primary', 'replica'];
    const objects = roles.flatMap((role) => {
      const labels = { app: 'guestbook', tier: role };
      const main = container({ command: ['node', '-e', GUESTBOOK, role], ports: [{ containerPort: 8080 }] });
      const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [main] } };
      const spec = { replicas: role === 'primary' ? 1 : 2, selector: { matchLabels: labels }, template };
      const ports = [{ port: role === 'frontend' ? 80 : 8080, targetPort: 8080 }];
      return [
        object('Service', role, { spec: { selector: labels, ports } }),
        object('Deployment', role, { spec }, 'apps/v1'),
      ];
    });
    await apply('create', ...objects);
    for (const role of roles) await kubectl('rollout', 'status', `deployment/${role}`, '--timeout=180s');
    const ask = (query = '') =>
      ground().api.text('GET', `/api/v1/namespaces/${ground().namespace}/services/frontend/proxy/${query}`);
    await eventually('the frontend answers', async () => (await ask()) === '[]');
    await ask('?set=TestEntry');
    await eventually('what was entered is read', async () => (await ask()) === '["TestEntry"]');
    await kubectl('delete', ...roles.flatMap((role) => [`service/${role}`, `deployment/${role}`]));
    await eventually('its pods are gone', async () => (await ground().pods('app=guestbook')).length === 0);
  });

  test('Kubectl client Kubectl api-versions should check if v1 is in available api versions', async () => {
    expect((await kubectl('api-versions')).split('\n')).toContain('v1');
  });

  test('Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info', async () => {
    expect(await kubectl('cluster-info')).toMatch(/Kubernetes control plane.* is running at /);
  });

  test('Kubectl client Kubectl version should check is all data is printed', async () => {
    const text = await kubectl('version');
    for (const what of ['Client Version: v1.36', 'Server Version: v1.36']) expect(text).toContain(what);
  });

  test('Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods', async () => {
    const labels = { app: 'described' };
    await apply(
      'create',
      controller('described', 1),
      object('Service', 'described', { spec: { selector: labels, ports: [{ port: 6379, targetPort: 'http' }] } }),
    );
    const [name = ''] = await run('described', 1);
    const { namespace } = ground();
    const describes = (kind: string, which: string, lines: readonly (string | RegExp)[]) =>
      holds(`${kind} ${which} is described`, async () => {
        const text = await kubectl('describe', kind, which);
        for (const line of lines) expect(text).toMatch(line);
      });
    const status = '1 Running / 0 Waiting / 0 Succeeded / 0 Failed';
    await describes('pod', name, [
      new RegExp(`Name: +${name}\n`),
      new RegExp(`Namespace: +${namespace}\n`),
      /Node: +node\d\/\d/,
      /Labels: +app=described\n/,
      /role=primary/,
      /Annotations:/,
      /Status: +Running/,
      /IP: +\d/,
      /Controlled By: +ReplicationController\/described/,
      new RegExp(`Image: +${IMAGE}`),
      /State: +Running/,
      /QoS Class: +BestEffort/,
    ]);
    await describes('rc', 'described', [
      /Name: +described\n/,
      new RegExp(`Namespace: +${namespace}\n`),
      /Selector: +app=described\n/,
      /Labels: +app=described|Labels: +<none>/,
      /Replicas: +1 current \/ 1 desired/,
      new RegExp(`Pods Status: +${status}`),
      /Pod Template:/,
      new RegExp(`Image: +${IMAGE}`),
      /Events:/,
    ]);
    await describes('service', 'described', [
      /Name: +described\n/,
      /Selector: +app=described\n/,
      /Type: +ClusterIP/,
      /IP: +\d/,
      /Port: +<unset> +6379\/TCP/,
      /Endpoints: +\d+\.\d+\.\d+\.\d+:8080/,
      /Session Affinity: +None/,
    ]);
    await describes('node', 'node1', [
      /Name: +node1/,
      /Labels:/,
      /Annotations:/,
      /CreationTimestamp:/,
      /Conditions:/,
      /Type.+Status.+LastHeartbeatTime.+LastTransitionTime.+Reason.+Message/,
      /Addresses:/,
      /Capacity:/,
      /Version:/,
      /Kernel Version:/,
      /OS Image:/,
      /Container Runtime Version:/,
      /Kubelet Version:/,
      /Pods:/,
    ]);
    await describes('namespace', namespace, [/Name: +\S+/, /Labels:/, /Annotations:/, /Status: +Active/]);
    await kubectl('delete', 'rc/described', 'service/described');
  });

  test('Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments', async () => {
    const labels = { app: 'differs' };
    const deployment = (image: string) =>
      object(
        'Deployment',
        'differs',
        {
          spec: {
            replicas: 1,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [container({ image, command: SERVER })] } },
          },
        },
        'apps/v1',
      );
    await apply('create', deployment(IMAGE));
    const { code, stdout } = await tryKubectl(['diff', '-f', '-'], JSON.stringify(deployment('other:2')));
    expect(code).toBe(1);
    expect(stdout).toMatch(/-.*image: kedge\.local\/conformance:1\n\+.*image: other:2/);
    await kubectl('delete', 'deployment', 'differs');
  });

  test('Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods', async () => {
    await kubectl('run', 'dry', `--image=${IMAGE}`, '--labels=run=dry', '--command', '--', 'sleep', '3600');
    await ground().ready('dry');
    // The kubelet may write beside us.
    await holds('what it is can be replaced', async () => {
      const found = JSON.parse(await kubectl('get', 'pod', 'dry', '-o', 'json')) as {
        spec: { containers: [{ image: string }] };
      };
      found.spec.containers[0].image = 'busybox:other';
      const { code, stderr } = await tryKubectl(['replace', '--dry-run=server', '-f', '-'], JSON.stringify(found));
      expect(stderr).toBe('');
      expect(code).toBe(0);
    });
    expect((await ground().pod('dry')).spec.containers[0]!.image).toBe(IMAGE);
    await kubectl('delete', 'pod', 'dry', '--grace-period=1');
  });

  test("Kubectl client Kubectl replace should update a single-container pod's image", async () => {
    await kubectl('run', 'replaced', `--image=${IMAGE}`, '--labels=run=replaced', '--command', '--', 'sleep', '3600');
    await ground().ready('replaced');
    const other = `${IMAGE.replace(':1', '')}:other`;
    // The kubelet may write beside us.
    await holds('what it is can be replaced', async () => {
      const found = await kubectl('get', 'pod', 'replaced', '-o', 'json');
      const { code, stderr } = await tryKubectl(['replace', '-f', '-'], found.replaceAll(`"${IMAGE}"`, `"${other}"`));
      expect({ code, stderr }).toMatchObject({ code: 0 });
    });
    expect((await ground().pod('replaced')).spec.containers[0]!.image).toBe(other);
    await kubectl('delete', 'pod', 'replaced', '--grace-period=1');
  });

  test('Kubectl client Kubectl run pod should create a pod from an image when restart is Never', async () => {
    expect(await kubectl('run', 'once', '--restart=Never', `--image=${IMAGE}`)).toBe('pod/once created\n');
    const { spec } = await ground().ended('once');
    expect(spec.containers[0]!.image).toBe(IMAGE);
    expect(spec.restartPolicy).toBe('Never');
    await kubectl('delete', 'pod', 'once');
  });

  test('Kubectl client Kubectl expose should create services for rc', async () => {
    await apply('create', controller('exposed', 1));
    const [name = ''] = await run('exposed', 1);
    const ip = (await ground().pod(name)).status?.podIP;
    const answersAt = async (service: string, port: number) => {
      const path = ground().path('Endpoints', 'v1', service);
      await eventually(`${service} has an endpoint`, async () => {
        const { subsets = [] } = await ground().api.get<{
          subsets?: { addresses: { ip: string }[]; ports: { port: number }[] }[];
        }>(path);
        return subsets[0]?.addresses[0]?.ip === ip && subsets[0]?.ports[0]?.port === 8080;
      });
      await holds(`${service} leads there`, async () =>
        expect(await ground().exec(name, `timeout 5 wget -qO- http://${service}:${port}/`)).toBe(name),
      );
    };
    await kubectl('expose', 'rc', 'exposed', '--name=rm2', '--port=1234', '--target-port=8080');
    await answersAt('rm2', 1234);
    await kubectl('expose', 'service', 'rm2', '--name=rm3', '--port=2345', '--target-port=8080');
    await answersAt('rm3', 2345);
    await kubectl('delete', 'rc/exposed', 'service/rm2', 'service/rm3');
  });

  test('Kubectl client Kubectl label should update the label on a resource', async () => {
    await ground().create(pod('labelled', { spec: { containers: [shell('sleep 3600')] } }));
    await ground().ready('labelled');
    const shown = () => kubectl('get', 'pod', 'labelled', '-L', 'testing-label', '--no-headers');
    await kubectl('label', 'pods', 'labelled', 'testing-label=testing-label-value');
    expect(await shown()).toContain('testing-label-value');
    await kubectl('label', 'pods', 'labelled', 'testing-label-');
    expect(await shown()).not.toContain('testing-label-value');
    await kubectl('delete', 'pod', 'labelled', '--grace-period=1');
  });

  test('Kubectl client Kubectl patch should add annotations for pods in rc', async () => {
    await apply('create', controller('patched', 1));
    for (const name of await run('patched', 1))
      await kubectl('patch', 'pod', name, '-p', '{"metadata":{"annotations":{"x":"y"}}}');
    for (const { metadata } of await ground().pods('app=patched')) expect(metadata.annotations?.['x']).toBe('y');
    await kubectl('delete', 'rc', 'patched');
  });

  test('Kubectl client Proxy server should support proxy with --port 0', async () => {
    const proxy = await ground().cluster.startKubectl('proxy', '--port=0', '--disable-filter');
    try {
      const port = await saidBy(proxy.stdout!, /127\.0\.0\.1:(\d+)/);
      expect(JSON.parse(await bodyOf({ host: '127.0.0.1', port: Number(port), path: '/api/' })).kind).toBe(
        'APIVersions',
      );
    } finally {
      proxy.kill();
    }
  });

  test('Kubectl client Proxy server should support --unix-socket=/path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kubectl-proxy-'));
    const socketPath = join(folder, 'socket');
    const proxy = await ground().cluster.startKubectl('proxy', `--unix-socket=${socketPath}`);
    try {
      await saidBy(proxy.stdout!, /(Starting to serve)/);
      expect(JSON.parse(await bodyOf({ socketPath, path: '/api/' })).versions).toContain('v1');
    } finally {
      proxy.kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  });

  test('Kubectl logs logs should be able to retrieve and filter logs', async () => {
    const lines = 'i=0; while [ $i -lt 100 ]; do echo "line $i of the story"; i=$((i+1)); done; sleep 3600';
    await ground().create(pod('writer', { spec: { containers: [shell(lines)] } }));
    await ground().ready('writer');
    const logs = (...args: string[]) => kubectl('logs', 'writer', 'main', ...args);
    await eventually('all is written', async () => (await logs()).trim().split('\n').length === 100);
    expect(await logs('--tail=1')).toBe('line 99 of the story\n');
    expect(await logs('--limit-bytes=1')).toHaveLength(1);
    const [time, ...words] = (await logs('--tail=1', '--timestamps')).trimEnd().split(' ');
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$/);
    expect(words.join(' ')).toBe('line 99 of the story');
    expect((await logs('--since=24h')).trim().split('\n')).toHaveLength(100);
    await eventually('it is more than a second ago', async () => (await logs('--since=1s')) === '');
    await kubectl('delete', 'pod', 'writer', '--grace-period=1');
  });
});

function saidBy(stream: NodeJS.ReadableStream, what: RegExp): Promise<string> {
  let said = '';
  return new Promise((done, fail) => {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [, found] = what.exec(said) ?? [];
      if (found) done(found);
    });
    stream.on('end', () => fail(new Error(`it ended after "${said}"`)));
  });
}

function bodyOf(options: { host?: string; port?: number; socketPath?: string; path: string }): Promise<string> {
  return new Promise((done, fail) => {
    const asked = request({ ...options, timeout: 10_000 }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.on('end', () => done(body));
    });
    asked.on('error', fail).end();
  });
}
