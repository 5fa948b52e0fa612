/** NetworkPolicies against a real kernel: three pods of one node, and a host outside of the cluster. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { NetworkPolicySpec } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { WaitingNft } from '#network/netfilter/waiting-nft.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { pod } from '#testing/builders.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { canHaveLab, echo, type Lab, networkLab, tellsItsName } from './network-lab.ts';

const canRun = canHaveLab();
const ADDRESSES = { client: '10.244.1.10', other: '10.244.1.11', server: '10.244.1.12', outside: '172.31.9.1' };
const SERVER = ADDRESSES.server;

let lab: Lab;
let informers: FixedInformers;
let ending: AbortController;
let stopped: Promise<void>;
/** Transactions that took effect. */
let transactions = 0;
let wake: () => void = () => undefined;

beforeAll(async () => {
  if (!canRun) return;
  lab = networkLab({ hosts: ADDRESSES, gateway: '10.244.1.1' });
  await lab.keep('server', tellsItsName('server', [80, 8080, 8090]));
  await lab.keep('server', echo(7));
  await lab.keep('client', tellsItsName('client', [80]));
  await lab.keep('outside', tellsItsName('outside', [80]));
});
afterAll(() => lab?.close());

beforeEach(async () => {
  if (!canRun) return;
  informers = fixedInformers([
    namespace('default', { team: 'a' }),
    namespace('guests', { team: 'b' }),
    podAt('client', ADDRESSES.client),
    podAt('other', ADDRESSES.other, { namespace: 'guests' }),
    podAt('server', SERVER),
  ]);
  ending = new AbortController();
  transactions = 0;
  const { run } = new WaitingNft({ clock: systemClock, signal: ending.signal, command: lab.commandIn('node', 'nft') });
  const running = startNetworkPolicy({
    nodeName: 'node1',
    informers,
    clock: systemClock,
    log: silentLog,
    signal: ending.signal,
    tables: [{ family: 'ipv4', podRanges: ['10.244.1.0/24'] }],
    hasRules: async () => true,
    nft: async (commands) => {
      await run(commands);
      transactions++;
      wake();
    },
  });
  stopped = running.stopped;
  await running.ready;
});
afterEach(async () => {
  if (!canRun) return;
  ending.abort();
  await stopped;
});

const namespace = (name: string, labels: Record<string, string>) =>
  ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }) as unknown as KubeObject;

const podAt = (name: string, ip: string, of: { namespace?: string; labels?: Record<string, string> } = {}) => {
  const { metadata, spec, ...rest } = pod(name, {
    nodeName: 'node1',
    containers: [{ name: 'main', ports: [{ name: 'web', containerPort: 8080 }] }],
  });
  return {
    ...rest,
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, namespace: of.namespace ?? 'default', labels: { app: name, ...of.labels } },
    spec,
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  } as unknown as KubeObject;
};

const policyOf = (name: string, spec: Partial<NetworkPolicySpec>) =>
  ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: 'default' },
    spec: { podSelector: { matchLabels: { app: 'server' } }, policyTypes: ['Ingress'], ...spec },
  }) as unknown as KubeObject;

/** Makes a change, and waits until the kernel has it. */
async function after(change: () => void): Promise<void> {
  const before = transactions;
  change();
  while (transactions === before)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
}
const put = (object: KubeObject) => after(() => informers.put(object));

/** Who gets an answer of the server at a port. */
async function reach(
  port: number,
  from: readonly string[] = ['client', 'other', 'outside', 'node'],
): Promise<string[]> {
  const answers = await Promise.all(from.map((host) => lab.ask(host, SERVER, port)));
  return from.filter((_, i) => answers[i]?.startsWith('server'));
}

test.skipIf(!canRun)('a pod that a policy isolates hears nobody but its node and itself', async () => {
  expect(await reach(80)).toEqual(['client', 'other', 'outside', 'node']);
  await put(policyOf('deny', {}));
  expect(await reach(80, ['client', 'outside', 'node', 'server'])).toEqual(['node', 'server']);
  expect(await lab.ask('server', ADDRESSES.client, 80)).toMatch(/^client/); // what it asks is answered
  await after(() => informers.remove(policyOf('deny', {})));
  expect(await reach(80)).toHaveLength(4);
  expect(lab.inside('node', 'nft', ['list', 'tables'])).not.toContain('network-policy');
});

test.skipIf(!canRun)('peers are chosen by labels, by namespaces and by addresses', async () => {
  await put(policyOf('some', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] }));
  expect(await reach(80)).toEqual(['client', 'node']);
  await put(policyOf('some', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }] }] }));
  expect(await reach(80)).toEqual(['other', 'node']);
  await after(() => informers.put(namespace('guests', {})));
  expect(await reach(80)).toEqual(['node']);
  const block = { cidr: '0.0.0.0/0', except: ['10.244.0.0/16'] };
  await put(policyOf('some', { ingress: [{ from: [{ ipBlock: block }] }] }));
  expect(await reach(80)).toEqual(['outside', 'node']);
  // A second policy adds to the first.
  await put(policyOf('more', { ingress: [{ from: [{ podSelector: {} }] }] }));
  expect(await reach(80)).toEqual(['client', 'outside', 'node']);
  // A pod that changes its labels or its address is another peer at once.
  await put(policyOf('some', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'new' } } }] }] }));
  await after(() => informers.remove(policyOf('more', {})));
  expect(await reach(80)).toEqual(['node']);
  await put(podAt('client', ADDRESSES.client, { labels: { app: 'new' } }));
  expect(await reach(80)).toEqual(['client', 'node']);
});

test.skipIf(!canRun)('ports are numbers, ranges and names that each pod has its own number for', async () => {
  const open = (ports: NonNullable<NetworkPolicySpec['ingress']>[number]['ports']) =>
    put(policyOf('ports', { ingress: [{ ports }] }));
  const opened = async () => {
    const answers = await Promise.all([80, 8080, 8090].map((port) => lab.ask('client', SERVER, port)));
    return [80, 8080, 8090].filter((_, i) => answers[i]?.startsWith('server'));
  };
  await open([{ protocol: 'TCP', port: 80 }]);
  expect(await opened()).toEqual([80]);
  await open([{ protocol: 'TCP', port: 8080, endPort: 8090 }]);
  expect(await opened()).toEqual([8080, 8090]);
  await open([
    { protocol: 'TCP', port: 80 },
    { protocol: 'TCP', port: 'web' },
  ]);
  expect(await opened()).toEqual([80, 8080]);
  await open([{ protocol: 'UDP' }]);
  expect(await opened()).toEqual([]);
  expect(lab.inside('client', process.execPath, ['-e', ASK_BY_UDP]).trim()).toBe('hello');
});

const ASK_BY_UDP = `const u=require('dgram').createSocket('udp4');u.on('message',m=>{console.log(String(m));process.exit()});
  setInterval(()=>u.send('hello',7,'${SERVER}'),100);setTimeout(()=>{console.log('silence');process.exit()},3000)`;

test.skipIf(!canRun)('what a pod may send is judged at its own side, answers included', async () => {
  const app = (name: string) => ({ matchLabels: { app: name } });
  const fromClient = { podSelector: app('client'), policyTypes: ['Egress' as const] };
  await put(policyOf('out', fromClient));
  expect(await lab.ask('client', SERVER, 80)).toBe('timeout');
  expect(await lab.ask('client', ADDRESSES.outside, 80)).toBe('timeout');
  expect(await lab.ask('server', ADDRESSES.client, 80)).toMatch(/^client/);
  const to = [{ podSelector: app('server') }];
  await put(policyOf('out', { ...fromClient, egress: [{ to, ports: [{ protocol: 'TCP', port: 'web' }] }] }));
  expect(await lab.ask('client', SERVER, 8080)).toMatch(/^server/);
  expect(await lab.ask('client', SERVER, 80)).toBe('timeout');
  // Both sides must agree.
  await put(policyOf('deny', {}));
  expect(await lab.ask('client', SERVER, 8080)).toBe('timeout');
});

test.skipIf(!canRun)(
  'a change ends what it does not allow any more, and a flow of UDP in either direction',
  async () => {
    const talk = (kind: string) =>
      `${kind};let n=0;const seen=()=>{n++;console.log('seen '+n)};process.stdin.on('data',()=>console.log('total '+n))`;
    const tcp = talk(
      `const s=require('net').connect(7,'${SERVER}',()=>setInterval(()=>s.write('x'),20));s.on('error',()=>0);s.on('data',()=>seen())`,
    );
    const udp = talk(
      `const s=require('dgram').createSocket('udp4');s.on('message',()=>seen());setInterval(()=>s.send('x',7,'${SERVER}'),20)`,
    );
    const talkers = await Promise.all([tcp, udp].map((script) => lab.keep('client', script)));
    const totalOf = async ({ stdin, stdout }: (typeof talkers)[number]) => {
      stdin?.write('?\n');
      for (;;) {
        const [text] = (await once(stdout!, 'data')) as [Buffer];
        const [, total] = /total (\d+)/.exec(String(text)) ?? [];
        if (total) return Number(total);
      }
    };
    await put(policyOf('deny', {}));
    const aWhile = () => lab.ask('client', SERVER, 80); // as long as a connection takes to fail
    await aWhile(); // what was on its way arrives
    const heard = await Promise.all(talkers.map(totalOf));
    await aWhile();
    expect(await Promise.all(talkers.map(totalOf))).toEqual(heard);
  },
);

test.skipIf(!canRun)('a pod that is not known yet has no network where there are policies', async () => {
  await after(() => {
    informers.remove(podAt('client', ADDRESSES.client));
    informers.put(policyOf('elsewhere', { podSelector: { matchLabels: { app: 'nobody' } } }));
  });
  expect(await lab.ask('client', SERVER, 80)).toBe('timeout');
  expect(await lab.ask('server', ADDRESSES.client, 80)).toBe('timeout');
  await put(podAt('client', ADDRESSES.client));
  expect(await lab.ask('client', SERVER, 80)).toMatch(/^server/);
});
