/** Rules that somebody takes out of the kernel by hand are back at once: no clock moves in here, or not far. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Iptables } from '#network/netfilter/iptables.ts';
import { type FindDifferences, listsRules } from '#network/netfilter/nft.ts';
import { MONITOR, RuleWatch } from '#network/netfilter/rule-watch.ts';
import { TableComparison } from '#network/netfilter/table-contents.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { IptablesRenderer } from '#network/proxy/iptables-renderer.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { canHaveLab, type Lab, networkLab } from './network-lab.ts';

const runs = canHaveLab() ? test : test.skip;
const LONGEST = { timeout: 60_000, interval: 20 };

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { type: 'ClusterIP', clusterIP: '10.96.0.20', ports: [{ port: 80 }] },
} as unknown as KubeObject;
const sliceOf = (ip: string) =>
  ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: [ip], nodeName: 'node1', conditions: { ready: true } }],
  }) as unknown as KubeObject;
const policy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'deny', namespace: 'default' },
  spec: { podSelector: {}, policyTypes: ['Ingress'] },
} as unknown as KubeObject;
const table = {
  family: 'ipv4' as const,
  podRanges: ['10.244.1.0/24'],
  serviceRanges: ['10.96.0.0/16'],
  ownAddresses: [],
};

let lab: Lab;
let informers: FixedInformers;
let ending: AbortController;
let parts: Promise<void>[];
let looks: string[];
/** First lines of transactions: those that build everything begin by adding the table. */
let transactions: string[];

beforeAll(() => {
  if (canHaveLab()) lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
});
afterAll(() => lab?.close());
beforeEach(() => {
  informers = fixedInformers([service, sliceOf('10.244.1.2')]);
  ending = new AbortController();
  [parts, looks, transactions] = [[], [], []];
});
afterEach(async () => {
  ending.abort();
  await Promise.all(parts);
  if (canHaveLab()) nft('flush', 'ruleset');
});

const nft = (...args: string[]) => lab.inside('node', 'nft', args);
const tools = {
  listSets: async () => '', // nobody is remembered
  nft: async (commands: readonly string[]) => {
    transactions.push(commands[0] ?? '');
    lab.inside('node', 'nft', ['-f', '-'], `${commands.join('\n')}\n`);
  },
  hasRules: async (of: string, chain: string) => {
    looks.push(of);
    try {
      return listsRules(nft('--terse', 'list', 'chain', ...of.split(' '), chain));
    } catch {
      return false;
    }
  },
};

/** One that is known to hear. */
async function listening(clock = new ManualClock()): Promise<RuleWatch> {
  const command = lab.commandIn('node', ...MONITOR);
  const watch = new RuleWatch({ clock, log: silentLog, signal: ending.signal, command });
  let heard = false;
  watch.onRemoval(['ip probe c'], () => {
    heard = true;
  });
  nft('add table ip probe; add chain ip probe c');
  await vi.waitUntil(() => {
    nft('add rule ip probe c accept; flush chain ip probe c');
    return heard;
  }, LONGEST);
  nft('delete table ip probe');
  return watch;
}

const common = () => ({
  nodeName: 'node1',
  informers,
  clock: new ManualClock(),
  log: silentLog,
  signal: ending.signal,
  tables: [table],
});

async function runningProxy(of: Partial<Parameters<typeof startProxy>[0]>): Promise<void> {
  const { ready, stopped } = startProxy({ ...common(), ...of });
  parts.push(stopped);
  await ready;
}

/** Of nftables or of iptables: whether a chain is there and has rules. */
const isFilled = (of: string, chain: string): boolean => {
  try {
    return listsRules(nft('list', 'chain', ...of.split(' '), chain));
  } catch {
    return false;
  }
};
const sorted = (listing: string): string[] => listing.split('\n').toSorted();

// Whoever mends needs this thread, and commands hold it: what is seen right after one is what the command left.
runs.each([
  ['flushes the table', ['flush', 'table', 'ip', 'kube-proxy']],
  ['deletes the table', ['delete', 'table', 'ip', 'kube-proxy']],
  ['flushes everything', ['flush', 'ruleset']],
])('Services and policies are back when somebody %s', async (_, command) => {
  informers.put(policy);
  const ruleWatch = await listening();
  await runningProxy({ ...tools, ruleWatch });
  const policies = startNetworkPolicy({ ...common(), ruleWatch, ...tools });
  parts.push(policies.stopped);
  await policies.ready;
  const before = sorted(nft('--stateless', 'list', 'ruleset'));
  expect(before.join()).toContain('10.96.0.20 . tcp . 80 : goto');
  expect(before.join()).toContain('table ip network-policy');
  nft(...command);
  expect(isFilled('ip kube-proxy', 'prerouting')).toBe(false);
  await vi.waitFor(() => expect(sorted(nft('--stateless', 'list', 'ruleset'))).toEqual(before), LONGEST);
});

const inNode = (command: string, args: readonly string[], input?: string) => lab.inside('node', command, args, input);
const iptables: Iptables = {
  restore: async (text) => void inNode('iptables-restore', ['--noflush', '-w', '5'], text),
  save: async (of) => inNode('iptables-save', ['-t', of]),
  has: async (of, rule) => {
    try {
      inNode('iptables', ['-w', '5', '-t', of, '-C', ...rule]);
      return true;
    } catch {
      return false;
    }
  },
};

runs('a part of the rules of iptables mode is back within ten minutes', async () => {
  const clock = new ManualClock();
  informers = fixedInformers([service, affine, sliceOf('10.244.1.2')]);
  let [restored, looks] = [0, -1]; // it looks when it starts
  const counted: Iptables = {
    ...iptables,
    save: (of) => {
      looks++;
      return iptables.save(of);
    },
    restore: (text) => {
      restored++;
      return iptables.restore(text);
    },
  };
  await runningProxy({ clock, renderer: (context) => new IptablesRenderer(context, counted) });
  const rules = () =>
    inNode('iptables-save', [])
      .split('\n')
      .filter((line) => line.startsWith('-A'))
      .sort();
  const before = rules();
  clock.advance(600_000);
  await vi.waitUntil(() => looks === 3, LONGEST); // at each table
  expect(restored).toBe(1);
  const [chain = ''] = /KUBE-SEP-\S+/.exec(before.join('\n')) ?? [];
  inNode('iptables', ['-t', 'nat', '-F', chain]);
  expect(rules()).not.toEqual(before);
  clock.advance(600_000);
  await vi.waitFor(() => expect(rules()).toEqual(before), LONGEST);
});

runs('rules of iptables mode are back when somebody flushes a table', async () => {
  // The proxy leaves time between two looks, and may just have looked; its look without any reason is longer than the wait.
  const clock = new ManualClock();
  await runningProxy({
    clock,
    ruleWatch: await listening(clock), // of which a listener that ended is started again, too
    renderer: (context) => new IptablesRenderer(context, iptables),
  });
  for (const of of ['nat', 'filter', 'raw']) {
    inNode('iptables', ['-t', of, '-F']);
    expect(isFilled(`ip ${of}`, 'PREROUTING') || isFilled(`ip ${of}`, 'FORWARD')).toBe(false);
    await vi.waitUntil(() => {
      clock.advance(3);
      return isFilled(`ip ${of}`, 'PREROUTING') || isFilled(`ip ${of}`, 'FORWARD');
    }, LONGEST);
  }
});

const affine = {
  ...service,
  metadata: { name: 'sticky', namespace: 'default' },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.21',
    sessionAffinity: 'ClientIP',
    loadBalancerSourceRanges: ['192.0.2.1/32', '198.51.100.0/24'],
    ports: [{ port: 80, nodePort: 30_080, protocol: 'UDP' }],
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } },
} as unknown as KubeObject;
const allowing = {
  ...policy,
  spec: {
    podSelector: {},
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [{ podSelector: {} }],
        ports: [
          { protocol: 'TCP', port: 80, endPort: 90 },
          { protocol: 'TCP', port: 443 },
          { protocol: 'TCP', port: 'web' },
        ],
      },
    ],
  },
} as unknown as KubeObject;
const podAt = (ip: string) =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-1', namespace: 'default', labels: {} },
    spec: {
      nodeName: 'node1',
      containers: [{ name: 'main', ports: [{ name: 'web', containerPort: 8080, protocol: 'TCP' }] }],
    },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  }) as unknown as KubeObject;

/** With everything that a table may hold, in this family. */
async function whole(family: 'ipv4' | 'ipv6'): Promise<() => Promise<void>> {
  const isIpv4 = family === 'ipv4';
  const written = (object: KubeObject) => {
    const text = JSON.stringify(object);
    const other = text
      .replaceAll('10.96.0.', 'fd00:96::')
      .replaceAll(/10\.244\.1\.(\d+)/g, 'fd00:244::$1')
      .replaceAll('198.51.100.0/24', '2001:db8:1::/48')
      .replaceAll('192.0.2.1/32', '2001:db8::1/128')
      .replaceAll('203.0.113.', '2001:db8:2::')
      .replaceAll('IPv4', 'IPv6');
    return JSON.parse(isIpv4 ? text : other) as KubeObject;
  };
  const sticky = {
    ...sliceOf('10.244.1.2'),
    metadata: { ...sliceOf('').metadata, name: 'sticky-1', labels: { 'kubernetes.io/service-name': 'sticky' } },
  } as unknown as KubeObject;
  const all = [service, affine, sliceOf('10.244.1.2'), sticky, allowing, namespaced, podAt('10.244.1.2')];
  informers = fixedInformers(all.map(written));
  const clock = new ManualClock();
  const own = isIpv4 ? table : { ...table, family, podRanges: ['fd00:244::/64'], serviceRanges: ['fd00:96::/112'] };
  const findDifferences: FindDifferences = async (of, wanted) => {
    const comparison = new TableComparison(wanted);
    comparison.read(nft('--stateless', 'list', 'table', ...of.split(' ')));
    wholeLooks++;
    return comparison.differences;
  };
  await runningProxy({ ...tools, findDifferences, clock, tables: [own] });
  const policies = startNetworkPolicy({ ...common(), ...tools, findDifferences, clock, tables: [own] });
  parts.push(policies.stopped);
  await policies.ready;
  return async () => {
    const before = wholeLooks;
    clock.advance(600_000);
    await vi.waitUntil(() => wholeLooks >= before + 2, LONGEST); // at both tables
  };
}
const namespaced = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'default', labels: {} },
} as unknown as KubeObject;
let wholeLooks = 0;

runs.each([
  ['ipv4', 'ip', '10.96.0.20', '10.96.0.66'],
  ['ipv6', 'ip6', 'fd00:96::20', 'fd00:96::66'],
] as const)('any part of the rules of %s is back within ten minutes', async (family, word, known, stranger) => {
  const looked = await whole(family);
  const rules = () => sorted(nft('--stateless', 'list', 'ruleset'));
  const [before, built] = [rules(), transactions.length];
  expect(before.join()).toMatch(/flags interval/);
  await looked();
  expect(transactions.length).toBe(built); // nothing is missed that is there
  for (const command of [
    `delete element ${word} kube-proxy svc { ${known} . tcp . 80 }`,
    `add element ${word} kube-proxy svc { ${stranger} . tcp . 80 : goto lb1-tcp }`,
    `flush map ${word} kube-proxy lb1-tcp-eps`,
    `flush chain ${word} kube-proxy postrouting`, // of which no witness tells
    `flush map ${word} network-policy ingress`,
    `flush chain ${word} network-policy ingress-check`,
  ]) {
    nft(command);
    expect(rules(), command).not.toEqual(before);
    await looked();
    await vi.waitFor(() => expect(rules(), command).toEqual(before), LONGEST);
    await looked(); // and it is seen that this helped
  }
});

runs('changes of its own are neither looked at nor built anew', async () => {
  const ruleWatch = await listening();
  await runningProxy({ ...tools, ruleWatch });
  expect(transactions).toEqual(['add table ip kube-proxy']);
  for (const ip of ['10.244.1.3', '10.244.1.4']) {
    const before = transactions.length;
    informers.put(sliceOf(ip));
    await vi.waitUntil(() => transactions.length > before, LONGEST);
  }
  let heard = false;
  ruleWatch.onRemoval(['ip probe c'], () => {
    heard = true;
  });
  nft('add table ip probe; add chain ip probe c; add rule ip probe c accept; flush chain ip probe c');
  await vi.waitUntil(() => heard, LONGEST); // and so everything before
  expect(looks).toEqual([]);
  expect(transactions.slice(1)).not.toContain('add table ip kube-proxy');
});

runs('where listening fails, that is said, and tried again', async () => {
  const clock = new ManualClock();
  const said: string[] = [];
  const log = {
    ...silentLog,
    warn: (_: string, { reason }: Record<string, unknown> = {}) => said.push(`${reason}`),
  };
  const command = ['sh', '-c', 'echo no room >&2; exit 2'];
  let told = 0;
  const watch = new RuleWatch({ clock, log, signal: ending.signal, command });
  watch.onRemoval(['ip kube-proxy prerouting'], () => told++);
  await vi.waitUntil(() => said.length === 1, LONGEST);
  expect(told).toBe(0);
  clock.advance(1_000);
  await vi.waitUntil(() => said.length === 2, LONGEST);
  expect([said, told]).toEqual([['no room', 'no room'], 1]); // something may have gone unheard meanwhile
});

runs('who listens goes with whoever started it, also when that is killed', async () => {
  const listen = `require('child_process').spawn('${MONITOR[0]}', ${JSON.stringify(MONITOR.slice(1))},{stdio:['ignore','pipe','inherit']})`;
  const parent = await lab.keep('node', `console.log(${listen}.pid);setInterval(()=>0,1e6)`);
  const children = () => readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim();
  const child = children();
  const of = (file: string) => {
    try {
      return readFileSync(`/proc/${child}/${file}`, 'utf8');
    } catch {
      return ''; // it is gone
    }
  };
  const isRunning = () => /\) [^Z]/.test(of('stat'));
  await vi.waitUntil(() => of('comm') === 'nft\n', LONGEST); // the limits are set by then
  expect(isRunning()).toBe(true);
  parent.kill('SIGKILL');
  await vi.waitUntil(() => !isRunning(), LONGEST);
});
