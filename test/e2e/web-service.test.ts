/** The stories of the example: what happens to a web service while its pods, nodes and versions come and go. */
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { eventually, holds, KedgeCluster } from './running-cluster.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const cluster = new KedgeCluster(inject('cluster'));
const MANIFEST = readFileSync(join(ROOT, 'examples/web/manifest.yaml'), 'utf8');

interface PodList {
  items: {
    metadata: { name: string; deletionTimestamp?: string };
    spec: { nodeName?: string };
    status: { phase: string; podIP?: string; containerStatuses?: { restartCount: number; ready: boolean }[] };
  }[];
}
const pods = async () => (await cluster.json<PodList>('get', 'pods', '-l', 'app=MyApp')).items;
const readyPods = async () =>
  (await pods()).filter(
    ({ metadata, status }) => !metadata.deletionTimestamp && status.containerStatuses?.every(({ ready }) => ready),
  );

interface Reply {
  code: number;
  body: string;
}
function ask(url: string, agent?: Agent): Promise<Reply> {
  return new Promise((done, fail) => {
    const request = get(url, { agent: agent ?? false, timeout: 15_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => done({ code: response.statusCode ?? 0, body }));
      response.on('error', fail);
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 15 s')));
    request.on('error', fail);
  });
}

describe('the web example', () => {
  let urls: string[];
  beforeAll(async () => {
    await cluster.apply(MANIFEST);
    await cluster.kubectl('rollout', 'status', 'deployment/myapp', '--timeout=180s');
    urls = (await cluster.nodeAddresses()).map(({ ip }) => `http://${ip}:30080/`);
  });

  test('answers at its NodePort on every node, from pods of several nodes', async () => {
    expect(urls.length).toBe(3);
    for (const url of urls) await eventually(`${url} answers`, async () => (await ask(url)).code === 200);
    expect(new Set((await pods()).map(({ spec }) => spec.nodeName)).size).toBeGreaterThan(1);
  });

  test('a Service is reached by its name and its ClusterIP from inside a pod', async () => {
    const [pod] = await readyPods();
    const script =
      "fetch('http://myapp-service.default.svc.cluster.local/').then(r=>r.text()).then(t=>console.log('got '+r(t)));const r=t=>t.length>0";
    await holds('the name leads there', async () => {
      const out = await cluster.kubectl('exec', pod?.metadata.name ?? '', '--', 'node', '-e', script);
      expect(out).toContain('got true');
    });
  });

  test('a pod killed in its container comes back', async () => {
    const [victim] = await readyPods();
    const name = victim?.metadata.name ?? '';
    await cluster.tryKubectl(['exec', name, '--', 'node', '-e', 'process.kill(1)']);
    const restarted = await eventually('the container runs again', async () => {
      const found = (await readyPods()).find(({ metadata }) => metadata.name === name);
      return (found?.status.containerStatuses?.[0]?.restartCount ?? 0) > 0 && found;
    });
    expect(restarted.status.podIP).toBe(victim?.status.podIP);
    expect(await cluster.kubectl('logs', name, '--previous')).not.toBe('');
  });

  test('a new image rolls out without one failed request, and can be undone', async () => {
    const load = startLoad(urls);
    let outcome = { failures: ['not run'], answered: 0 };
    try {
      await cluster.kubectl('set', 'image', 'deployment/myapp', 'web=kedge.local/hello:2');
      await cluster.kubectl('rollout', 'status', 'deployment/myapp', '--timeout=180s');
      await eventually('version 2 answers', async () => (await ask(urls[0] ?? '')).body.includes('2'));
      await eventually('the old pods are gone', async () => (await pods()).length === 3);
      expect(await cluster.kubectl('rollout', 'history', 'deployment/myapp')).toMatch(/1\s[\s\S]*2\s/);
      await cluster.kubectl('rollout', 'undo', 'deployment/myapp');
      await cluster.kubectl('rollout', 'status', 'deployment/myapp', '--timeout=180s');
      await eventually('the newer pods are gone', async () => (await pods()).length === 3);
    } finally {
      outcome = await load.stop();
    }
    expect(outcome.failures).toEqual([]);
    expect(outcome.answered).toBeGreaterThan(100);
    const deployment = await cluster.json<{ spec: { template: { spec: { containers: { image: string }[] } } } }>(
      'get',
      'deployment/myapp',
    );
    expect(deployment.spec.template.spec.containers[0]?.image).toBe('kedge.local/hello:1');
  });

  test('scales from 1 to 20 and back to 1', async () => {
    for (const replicas of [1, 20, 1]) {
      await cluster.kubectl('scale', 'deployment/myapp', `--replicas=${replicas}`);
      await eventually(
        `${replicas} pods`,
        async () => (await readyPods()).length === replicas && (await pods()).length === replicas,
        150_000,
      );
    }
    await cluster.kubectl('scale', 'deployment/myapp', '--replicas=3');
    await cluster.kubectl('rollout', 'status', 'deployment/myapp', '--timeout=180s');
  });

  test('a Service whose name is no DNS label is refused with the rule, and nothing is stored', async () => {
    const { code, stderr } = await cluster.tryKubectl(['apply', '-f', '-'], {
      input: `{apiVersion: v1, kind: Service, metadata: {name: myApp-service}, spec: {type: NodePort, selector: {app: MyApp}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]}}`,
    });
    expect(code).toBe(1);
    expect(stderr).toContain(
      `The Service "myApp-service" is invalid: metadata.name: Invalid value: "myApp-service": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
    );
    expect((await cluster.tryKubectl(['get', 'service', 'myApp-service'])).stderr).toContain('NotFound');
    // and its port was not taken
    await cluster.apply(
      `{apiVersion: v1, kind: Service, metadata: {name: probe}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30081}]}}`,
    );
    await cluster.kubectl('delete', 'service', 'probe');
  });

  test('the pods of a stopped node run elsewhere', async () => {
    await cluster.kedge('node', 'stop', 'node2', '--name', cluster.name);
    try {
      await eventually('node2 is seen as gone', async () =>
        (await cluster.kubectl('get', 'node', 'node2')).includes('NotReady'),
      );
      await eventually('three pods are ready elsewhere', async () => {
        const alive = (await readyPods()).filter(({ spec }) => spec.nodeName !== 'node2');
        return alive.length === 3;
      });
      await eventually('node1 answers', async () => (await ask(urls[0] ?? '')).code === 200);
    } finally {
      await cluster.kedge('node', 'start', 'node2', '--name', cluster.name);
    }
    await eventually('node2 is back', async () => / Ready /.test(await cluster.kubectl('get', 'node', 'node2')));
    for (const url of urls) await eventually(`${url} answers again`, async () => (await ask(url)).code === 200);
  });
});

/** Asks all URLs in turn, by new connections and by kept ones, until stopped; remembers every request that failed. */
function startLoad(urls: readonly string[]) {
  const failures: string[] = [];
  let answered = 0;
  let isRunning = true;
  const worker = async (agent: Agent | undefined) => {
    for (let i = 0; isRunning; i++) {
      const url = urls[i % urls.length] ?? '';
      try {
        const { code } = await ask(url, agent);
        if (code === 200) answered++;
        else failures.push(`${url}: ${code}`);
      } catch (error) {
        failures.push(`${agent ? 'kept' : 'new'} connection to ${url}: ${error}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    agent?.destroy();
  };
  const workers = [worker(undefined), worker(undefined), worker(new Agent({ keepAlive: true, maxSockets: 1 }))];
  /** Resolves when the last request has its answer. */
  const stop = async () => {
    isRunning = false;
    await Promise.all(workers);
    return { failures, answered };
  };
  return { stop };
}
