/** Rules that somebody takes out of the kernel by hand are back at once: no clock moves in here, or not far. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Iptables } from '#network/netfilter/iptables.ts';
import { listsRules } from '#network/netfilter/nft.ts';
import { MONITOR, RuleWatch } from '#network/netfilter/rule-watch.ts';
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
async function listening(): Promise<RuleWatch> {
  const command = lab.commandIn('node', ...MONITOR);
  const watch = new RuleWatch({ clock: new ManualClock(), log: silentLog, signal: ending.signal, command });
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

runs('rules of iptables mode are back when somebody flushes a table', async () => {
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
  // The proxy leaves time between two looks, and may just have looked; its look without any reason is longer than the wait.
  const clock = new ManualClock();
  await runningProxy({
    clock,
    ruleWatch: await listening(),
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
