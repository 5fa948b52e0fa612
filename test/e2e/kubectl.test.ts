/** Stock kubectl, verb by verb, as a user types it. */
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { eventually, holds, KedgeCluster, run, stockKubectl } from './running-cluster.ts';

const cluster = new KedgeCluster(inject('cluster'));
const NAMESPACE = 'kubectl-verbs';
const k = (...args: string[]) => cluster.kubectl('-n', NAMESPACE, ...args);

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talker}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: kedge.local/hello:1
      command: ["node", "-e", "let i=0;setInterval(()=>console.log('line '+i++),200);require('http').createServer((q,r)=>r.end('pong')).listen(9000);process.on('SIGTERM',()=>process.exit(0))"]
      env: [{name: WHERE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
`;
const CONFIG = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}`;

beforeAll(async () => {
  await cluster.kubectl('create', 'namespace', NAMESPACE);
  await eventually('the namespace has its ServiceAccount', async () =>
    (await k('get', 'serviceaccount')).includes('default'),
  );
  await cluster.apply(POD, '-n', NAMESPACE);
  await k('wait', 'pod/talker', '--for=condition=Ready', '--timeout=180s');
});
afterAll(async () => {
  await cluster.kubectl('delete', 'namespace', NAMESPACE, '--timeout=180s');
});

describe('reading', () => {
  test('get prints tables, wide tables, YAML, JSON and paths, in one namespace or all', async () => {
    expect(await k('get', 'pods')).toMatch(/NAME +READY +STATUS +RESTARTS +AGE\ntalker +1\/1 +Running/);
    expect(await k('get', 'pod', 'talker', '-o', 'wide')).toMatch(/IP +NODE +NOMINATED NODE +READINESS GATES/);
    expect(await k('get', 'pod', 'talker', '-o', 'yaml')).toContain('\nkind: Pod\n');
    expect(JSON.parse(await k('get', 'pod', 'talker', '-o', 'json')).metadata.name).toBe('talker');
    expect(await k('get', 'pod', 'talker', '-o', 'jsonpath={.status.phase}')).toBe('Running');
    expect(await cluster.kubectl('get', 'pods', '-A')).toMatch(new RegExp(`NAMESPACE[\\s\\S]*${NAMESPACE} +talker`));
    expect(await k('get', 'pods', '-l', 'app=talker', '-o', 'name')).toBe('pod/talker\n');
    expect(await cluster.kubectl('get', 'nodes', '-o', 'wide')).toMatch(/INTERNAL-IP[\s\S]*node1 +Ready/);
    expect(await k('get', 'all')).toContain('pod/talker');
  });

  test('get -w shows a change as it happens', async () => {
    const watching = await cluster.startKubectl('-n', NAMESPACE, 'get', 'configmaps', '-w');
    let seen = '';
    watching.stdout?.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    try {
      await eventually('the first listing', async () => seen.includes('kube-root-ca.crt'));
      await k('create', 'configmap', 'fresh', '--from-literal=a=b');
      await eventually('the new one', async () => /fresh +1/.test(seen));
    } finally {
      watching.kill();
    }
  });

  test('describe tells the story of a pod with its events', async () => {
    await holds('its Events are there', async () => {
      const text = await k('describe', 'pod', 'talker');
      expect(text).toContain('Successfully assigned kubectl-verbs/talker to ');
      for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started']) expect(text).toContain(reason);
    });
    expect(await cluster.kubectl('describe', 'node', 'node1')).toContain('Allocated resources');
  });

  test('explain and api-resources know the kinds', async () => {
    expect(await cluster.kubectl('explain', 'pod.spec.containers')).toMatch(
      /KIND: +Pod[\s\S]*FIELD: containers <\[\]Container>[\s\S]*image\t<string>/,
    );
    const resources = await cluster.kubectl('api-resources');
    expect(resources).toMatch(/deployments +deploy +apps\/v1 +true +Deployment/);
    expect(await cluster.kubectl('version')).toMatch(/Server Version: v1\.36\./);
    const components = await cluster.kubectl('get', 'componentstatuses', '--no-headers');
    for (const name of ['controller-manager', 'scheduler', 'etcd-0'])
      expect(components).toMatch(new RegExp(`^${name} +Healthy +ok`, 'm'));
  });
});

describe('writing', () => {
  test('create, apply, diff, edit, label, annotate and delete', async () => {
    expect(await cluster.apply(CONFIG, '-n', NAMESPACE)).toBe('configmap/settings created\n');
    expect(await cluster.apply(CONFIG, '-n', NAMESPACE)).toBe('configmap/settings unchanged\n');
    const diff = await cluster.tryKubectl(['-n', NAMESPACE, 'diff', '-f', '-'], {
      input: CONFIG.replace('red', 'blue'),
    });
    expect(diff.code).toBe(1);
    expect(diff.stdout).toMatch(/-\s+colour: red\n\+\s+colour: blue/);
    expect(await cluster.apply(CONFIG.replace('red', 'blue'), '-n', NAMESPACE)).toBe('configmap/settings configured\n');

    const edited = await run(await stockKubectl(), ['-n', NAMESPACE, 'edit', 'configmap', 'settings'], {
      env: { KUBECONFIG: await cluster.kubeconfig(), KUBE_EDITOR: 'sed -i s/blue/green/' },
    });
    expect(edited.stdout).toBe('configmap/settings edited\n');
    expect(await k('get', 'configmap', 'settings', '-o', 'jsonpath={.data.colour}')).toBe('green');

    await k('label', 'configmap', 'settings', 'tier=front');
    await k('annotate', 'configmap', 'settings', 'note=kept');
    expect(
      await k('get', 'configmap', '-l', 'tier=front', '-o', 'jsonpath={.items[0].metadata.annotations.note}'),
    ).toBe('kept');
    expect(await k('delete', 'configmap', 'settings')).toContain('configmap "settings" deleted');
    expect((await cluster.tryKubectl(['-n', NAMESPACE, 'get', 'configmap', 'settings'])).stderr).toContain(
      'Error from server (NotFound): configmaps "settings" not found',
    );
  });

  test('a Deployment is created, scaled, restarted, looked at and rolled back', async () => {
    await k('create', 'deployment', 'small', '--image=kedge.local/hello:1', '--replicas=1');
    await k('rollout', 'status', 'deployment/small', '--timeout=180s');
    await k('scale', 'deployment/small', '--replicas=2');
    await k('wait', 'deployment/small', '--for=jsonpath={.status.readyReplicas}=2', '--timeout=180s');
    await k('rollout', 'restart', 'deployment/small');
    await k('rollout', 'status', 'deployment/small', '--timeout=180s');
    expect(await k('rollout', 'history', 'deployment/small')).toMatch(/REVISION +CHANGE-CAUSE\n1 [\s\S]*\n2 /);
    await k('rollout', 'undo', 'deployment/small');
    await k('rollout', 'status', 'deployment/small', '--timeout=180s');
    await k('delete', 'deployment', 'small');
    await eventually('its pods are gone', async () => !(await k('get', 'pods')).includes('small-'));
  });
});

describe('into the pod', () => {
  test('logs, at once and following', async () => {
    await holds('it has begun to talk', async () =>
      expect(await k('logs', 'talker', '--tail=1')).toMatch(/^line \d+\n$/),
    );
    const following = await cluster.startKubectl('-n', NAMESPACE, 'logs', '-f', 'talker', '--tail=1');
    let seen = '';
    following.stdout?.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    try {
      await eventually('several lines', async () => seen.split('\n').length > 4);
    } finally {
      following.kill();
    }
  });

  test('exec passes output, standard input, the exit code and a terminal', async () => {
    expect(await k('exec', 'talker', '--', 'node', '-p', 'process.env.WHERE')).toMatch(/^node[123]\n$/);
    const echoed = await cluster.tryKubectl(
      ['-n', NAMESPACE, 'exec', '-i', 'talker', '--', 'node', '-e', 'process.stdin.pipe(process.stdout)'],
      { input: 'through\n' },
    );
    expect(echoed.stdout).toBe('through\n');
    expect(
      (await cluster.tryKubectl(['-n', NAMESPACE, 'exec', 'talker', '--', 'node', '-e', 'process.exit(3)'])).code,
    ).toBe(3);
    const terminal = await run(
      'script',
      ['-qec', `${await stockKubectl()} -n ${NAMESPACE} exec -it talker -- node -p process.stdout.isTTY`, '/dev/null'],
      {
        env: { KUBECONFIG: await cluster.kubeconfig() },
      },
    );
    expect(terminal.stdout).toContain('true');
  });

  test('port-forward reaches a port of the pod', async () => {
    const forwarding = await cluster.startKubectl('-n', NAMESPACE, 'port-forward', 'pod/talker', ':9000');
    let said = '';
    forwarding.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    try {
      const port = await eventually('a local port', async () => /127\.0\.0\.1:(\d+) -> 9000/.exec(said)?.[1]);
      await eventually('the pod listens', async () => (await bodyOf(`http://127.0.0.1:${port}/`)) === 'pong');
      for (let i = 0; i < 3; i++) expect(await bodyOf(`http://127.0.0.1:${port}/`)).toBe('pong');
    } finally {
      forwarding.kill();
    }
  });
});

function bodyOf(url: string): Promise<string> {
  return new Promise((done, fail) => {
    get(url, { agent: false, timeout: 5_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => done(body));
    }).on('error', fail);
  });
}
