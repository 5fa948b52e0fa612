/**
 * Real packets between real pods on three nodes: every way of reaching a Service from every node, policies across nodes, DNS on
 * each, and how much is lost when things break under load.
 */
import { Agent, request } from 'node:http';
import { isIPv4 } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { object } from './conformance/playground.ts';
import { killed } from './node-processes.ts';
import { eventually, holds } from './running-cluster.ts';
import { signalProcess } from './signal-process.ts';
import { ask, everyNode, NODES, type NodeName, serverOn, serviceOf, threeNodes } from './three-nodes-ground.ts';

const ground = threeNodes('three-nodes', [
  serviceOf('all', { type: 'LoadBalancer' }),
  serviceOf('local', {
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    selector: { app: 'server', on: 'node2' },
  }),
]);
const { addressOf, asked, balancerOf, enteredPod, inNode, nodePortOf, pidOf, podIp, service } = ground;

const agents: Agent[] = [];
afterAll(() => {
  for (const agent of agents) agent.destroy();
});

test('pods, and nodes, reach pods of every node by their own address, and pods are seen by theirs', async () => {
  const servers = await everyNode((node) => podIp(`server-${node}`));
  const clients = await everyNode((node) => podIp(`client-${node}`));
  const urls = servers.map((ip) => `http://${ip}:8080/clientip`);
  await holds('all reach all', async () =>
    expect(await everyNode((node) => asked(node, urls))).toEqual(clients.map((ip) => [ip, ip, ip])),
  );
  await holds('nodes reach all', async () => {
    const asking =
      'Promise.all(process.argv.slice(1).map((url) => fetch(url).then((answer) => answer.text()))).then(console.log)';
    const at = servers.map((ip) => `http://${ip}:8080/`);
    for (const text of await everyNode((node) => inNode(node, process.execPath, '-e', asking, ...at)))
      for (const node of NODES) expect(text).toContain(`server-${node}`);
  });
});

test('a ClusterIP, and its name, lead from each node to the pods of all', async () => {
  const { clusterIP } = (await service('all')).spec;
  await holds('each node leads to all', async () => {
    const reached = await everyNode(async (node) => {
      const urls = Array.from({ length: 40 }, () => `http://${clusterIP}/`);
      return [...new Set(await asked(node, urls))].sort();
    });
    expect(reached).toEqual(NODES.map(() => NODES.map((node) => `server-${node}`)));
  });
  await holds('each node knows the name', async () => {
    const resolved = await everyNode((node) => ground().exec(`client-${node}`, 'nslookup all | tail -n +3'));
    for (const text of resolved) expect(text).toContain(clusterIP);
  });
});

test('a nodePort answers on each node, for this machine and for pods of each node', async () => {
  const port = await nodePortOf('all');
  const urls = NODES.map((node) => `http://${addressOf(node)}:${port}/`);
  await holds('every node answers', async () => {
    for (const node of NODES) expect(await ask(addressOf(node), { port })).toMatch(/^server-node\d$/);
    const said = await everyNode((node) => asked(node, urls));
    for (const answers of said) expect(answers).toEqual(NODES.map(() => expect.stringMatching(/^server-node\d$/)));
  });
});

test('under externalTrafficPolicy Local only the node with an endpoint answers, and shows who asks', async () => {
  const port = await nodePortOf('local');
  const own = await eventually('node2 shows who asks', async () => {
    const seen = await ask(addressOf('node2'), { port, path: '/clientip' });
    return isIPv4(seen) && seen;
  });
  await holds('the others do not answer', async () => {
    const others = (['node1', 'node3'] as const).map((node) => ask(addressOf(node), { port, withinMs: 1_000 }));
    expect(await Promise.all(others)).toEqual(['timeout', 'timeout']);
  });
  expect(NODES.map(addressOf)).not.toContain(own);
  const balancer = await balancerOf('local');
  await eventually('the balancer leads to node2', async () => (await ask(balancer, { path: '/clientip' })) === own);
  // From within it stands for all endpoints, wherever they are.
  await holds('pods of each node are answered', async () => {
    const said = await everyNode((node) => asked(node, [`http://${balancer}/`, `http://${addressOf(node)}:${port}/`]));
    expect(said).toEqual(NODES.map(() => ['server-node2', 'server-node2']));
  });
});

test('a load balancer address answers this machine, and pods of each node', async () => {
  const balancer = await balancerOf('all');
  await eventually('it answers', async () => /^server-node\d$/.test(await ask(balancer)));
  await holds('pods of each node are answered', async () => {
    const said = await everyNode((node) => asked(node, [`http://${balancer}/`]));
    for (const answers of said) expect(answers).toEqual([expect.stringMatching(/^server-node\d$/)]);
  });
});

test('a policy holds on whichever node the two are', async () => {
  const selector = (on: string) => ({ matchLabels: { app: 'client', on } });
  await ground().create(
    object(
      'NetworkPolicy',
      'only-node1',
      {
        spec: {
          podSelector: { matchLabels: { app: 'server' } },
          policyTypes: ['Ingress'],
          ingress: [{ from: [{ podSelector: selector('node1') }], ports: [{ port: 8080 }] }],
        },
      },
      'networking.k8s.io/v1',
    ),
  );
  const servers = await everyNode((node) => podIp(`server-${node}`));
  const urls = servers.map((ip) => `http://${ip}:8080/`);
  const all = NODES.map((node) => `server-${node}`);
  await eventually('the policy is in force on every node', async () => {
    const said = await everyNode((node) => asked(node, urls));
    return JSON.stringify(said) === JSON.stringify([all, ['-', '-', '-'], ['-', '-', '-']]);
  });
  await ground().api.delete(ground().path('NetworkPolicy', 'networking.k8s.io/v1', 'only-node1'));
  await eventually('it is gone on every node', async () => {
    const said = await everyNode((node) => asked(node, urls));
    return JSON.stringify(said) === JSON.stringify([all, all, all]);
  });
});

interface Load {
  /** Ends it. */
  stop(): Promise<{ sent: number; failed: Record<string, number> }>;
  /** How many have failed up to now. */
  failures(): number;
  /** How many were answered well. */
  answered(): number;
}

/** So many requests a second, each on a connection of its own, none of them tried twice. */
function load(host: string, { port = 80, perSecond = 100, withinMs = 15_000 } = {}): Load {
  const agent = new Agent({ keepAlive: false, maxSockets: 256 });
  agents.push(agent);
  const failed: Record<string, number> = {};
  let [sent, open, well, failures] = [0, 0, 0, 0];
  const fail = (why: string) => {
    failures++;
    failed[why] = (failed[why] ?? 0) + 1;
  };
  const one = () => {
    sent++;
    open++;
    const asked = request({ host, port, agent, timeout: withinMs }, (response) => {
      if (response.statusCode === 200) well++;
      else fail(String(response.statusCode));
      response.resume();
    });
    asked.on('timeout', () => asked.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })));
    asked.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    asked.on('close', () => open--);
    asked.end();
  };
  const ticking = setInterval(one, 1000 / perSecond);
  return {
    failures: () => failures,
    answered: () => well,
    async stop() {
      clearInterval(ticking);
      await eventually('the last requests have ended', async () => open === 0);
      return { sent, failed };
    },
  };
}

/** While it runs, `breaking` happens; goes on until so many more were answered after it. */
async function underLoad(what: string, running: Load, breaking: () => Promise<void>): Promise<Record<string, number>> {
  await eventually('the load runs', async () => running.answered() >= 50);
  await breaking();
  const after = running.answered();
  await eventually('the load goes on', async () => running.answered() >= after + 100);
  const { sent, failed } = await running.stop();
  const count = Object.values(failed).reduce((sum, each) => sum + each, 0);
  console.log(`${what}: ${count} of ${sent} requests failed ${count > 0 ? JSON.stringify(failed) : ''}`);
  return failed;
}

test('endpoints that change under load cost no request', async () => {
  const failed = await underLoad('endpoints change', load(await balancerOf('all')), async () => {
    const path = ground().path('Pod', 'v1', 'server-node1');
    await ground().api.delete(path);
    await ground().gone(path);
    await ground().create(serverOn('node1'));
    await ground().ready('server-node1');
  });
  expect(failed).toEqual({});
});

test('a proxy that is killed, on every node, costs no request', async () => {
  const failed = await underLoad('proxies killed', load(await balancerOf('all')), async () => {
    await everyNode((node) => killed(ground().cluster, `${node}/net`));
  });
  expect(failed).toEqual({});
});

test('an API server that is away costs no request', async () => {
  const failed = await underLoad('API server away', load(await balancerOf('all')), async () => {
    const [pid, { clusterIP }] = [await pidOf('control-plane'), (await service('all')).spec];
    const [nameserver = ''] =
      /\S+$/.exec(await ground().exec('client-node1', 'grep -m 1 ^nameserver /etc/resolv.conf')) ?? [];
    const inNetwork = await everyNode((node) => enteredPod(`client-${node}`));
    const name = `all.${ground().namespace}.svc.cluster.local`;
    const namesAreKnown = () =>
      holds('names are known', async () => {
        const resolved = inNetwork.map((run) => run('busybox', 'nslookup', '-type=a', name, nameserver));
        for (const text of await Promise.all(resolved)) expect(text).toContain(clusterIP);
      });
    await namesAreKnown(); // by those, too, that have just begun
    signalProcess(pid, 'SIGSTOP');
    try {
      await namesAreKnown();
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // nothing tells that it is still away
    } finally {
      signalProcess(pid, 'SIGKILL');
    }
    await eventually('it answers again', async () => (await ground().cluster.tryKubectl(['get', 'nodes'])).code === 0);
  });
  expect(failed).toEqual({});
});

/** Whether node3 has an endpoint of the Service that traffic goes to. */
async function isEndpoint(): Promise<boolean> {
  const of = ['-n', ground().namespace, '-l', 'kubernetes.io/service-name=all'];
  const { items } = await ground().cluster.json<{
    items: { endpoints: { nodeName: string; conditions: { ready: boolean } }[] }[];
  }>('get', 'endpointslices', ...of);
  return items.flatMap(({ endpoints }) => endpoints).some((each) => each.nodeName === 'node3' && each.conditions.ready);
}

/** The kernel's number of the proxy's table: another one when somebody has written it anew. */
async function proxyTableOf(node: NodeName): Promise<number> {
  const listed = JSON.parse(await inNode(node, 'nft', '-j', 'list', 'tables')) as {
    nftables: { table?: { family: string; name: string; handle: number } }[];
  };
  const ours = listed.nftables.find(({ table }) => table?.family === 'ip' && table.name === 'kube-proxy');
  return ours?.table?.handle ?? 0;
}

// One after the other: what fails first was lost to the flushed rules, what fails then to the lost node.
test('flushed rules come back and a lost node is left out; then nothing is lost any more', async () => {
  const { cluster } = ground();
  const port = await nodePortOf('all');
  const [node1, node2] = [addressOf('node1'), addressOf('node2')];
  const routes = JSON.parse(await inNode('node3', 'ip', '-json', 'route', 'show')) as {
    dst: string;
    gateway?: string;
  }[];
  const isAnswered = async (address: string) => (await ask(address, { port })).startsWith('server-');
  try {
    const before = await proxyTableOf('node2');
    const flushed = await underLoad('rules of node2 flushed', load(node2, { port, perSecond: 20 }), async () => {
      await inNode('node2', 'nft', 'flush', 'table', 'ip', 'kube-proxy');
      await eventually('the rules are written anew', async () => (await proxyTableOf('node2')) !== before);
      await eventually('they lead to the pods', () => isAnswered(node2));
    });
    // They come back at once: few come in between, if any. Who began before and is in the middle of it may also wait in vain.
    const lost = ['ECONNREFUSED', 'ECONNRESET', 'timeout'];
    expect(Object.keys(flushed).filter((why) => !lost.includes(why))).toEqual([]);
    const brief = load(node1, { port, perSecond: 20, withinMs: 5_000 });
    const cut = await underLoad('node3 cut off', brief, async () => {
      await inNode('node3', 'ip', 'link', 'set', 'eth0', 'down');
      await eventually('node3 is no endpoint any more', async () => !(await isEndpoint()));
    });
    expect(Object.keys(cut).filter((why) => !['timeout', 'EHOSTUNREACH'].includes(why))).toEqual([]);
    // What the API says reaches the rules of each node in its own time.
    await holds('both nodes lead to those that are left', async () => {
      const asked = [node1, node2].flatMap((node) => Array.from({ length: 40 }, () => ask(node, { port })));
      for (const answer of await Promise.all(asked)) expect(answer).toMatch(/^server-node[12]$/);
    });
    const after = [node1, node2].map((node) => underLoad('after both', load(node, { port }), async () => undefined));
    expect(await Promise.all(after)).toEqual([{}, {}]);
  } finally {
    await inNode('node3', 'ip', 'link', 'set', 'eth0', 'up');
    for (const { dst, gateway } of routes)
      if (gateway) await inNode('node3', 'ip', 'route', 'replace', dst, 'via', gateway);
    // What comes next puts pods there, whatever became of this.
    await cluster.kubectl('wait', 'node/node3', '--for=condition=Ready', '--timeout=180s');
  }
});
