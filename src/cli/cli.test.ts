import { stripVTControlCharacters } from 'node:util';
import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import type { ClusterRecord } from '#node/machine/cluster-dir.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { newsBetween } from './foreground.ts';
import { nodeCount, ownAddresses, portNumber, seconds } from './option-values.ts';
import { changedBy, refuseProxySettings } from './prepare-cluster.ts';
import { progressOn } from './progress.ts';
import { unitText } from './start-supervisor.ts';
import { isWhole, linesOf } from './status.ts';

const status = (changes: Partial<ClusterStatus> = {}): ClusterStatus => ({
  name: 'dev',
  dataDir: '/data',
  version: '1',
  supervisorPid: 7,
  phase: 'running',
  hasKubeconfig: true,
  server: 'https://127.0.0.1:6443',
  processes: [{ name: 'control-plane', state: 'running', pid: 8, restarts: 0 }],
  nodes: [{ name: 'node1', state: 'running', addresses: ['172.30.0.11'], podRanges: ['10.244.1.0/24'] }],
  simulatedNodes: 0,
  nodesElsewhere: [],
  warnings: [],
  ...changes,
});

describe('values of options', () => {
  test.each([
    ['5', 5],
    ['5s', 5],
    ['2m', 120],
    ['1h', 3600],
    ['0', 0],
  ])('%s is %i seconds', (text, expected) => expect(seconds(text)).toBe(expected));
  test.each(['', 's', '5d', '-5s', '1.5s', '5 s'])('"%s" is no time', (text) =>
    expect(() => seconds(text)).toThrow(InvalidArgumentError),
  );
  test.each(['-1', '1.5', 'x', '', '1000'])('"%s" is no number of nodes', (text) =>
    expect(() => nodeCount(text)).toThrow(InvalidArgumentError),
  );
  test('an address to listen at must be one of this machine', () => {
    expect(ownAddresses('127.0.0.1', ['127.0.0.2'])).toEqual(['127.0.0.2', '127.0.0.1']);
    for (const text of ['192.0.2.77', '0.0.0.0', 'localhost', '']) {
      expect(() => ownAddresses(text)).toThrow(InvalidArgumentError);
    }
  });
  test.each(['0', '65536'])('%s is no port', (text) => expect(() => portNumber(text)).toThrow(InvalidArgumentError));
});

describe('up of a known cluster', () => {
  const known: ClusterRecord = {
    formatVersion: 1,
    name: 'dev',
    slot: 0,
    apiServerPort: 6443,
    nodes: { node1: { index: 1 }, spare: { index: 3 } },
    simulatedNodes: 5,
    settings: { defaultTolerationSeconds: 2 },
  };

  test('changes nothing that it is not told to', () => {
    expect(changedBy(known, { name: 'dev', settings: {} })).toEqual(known);
  });
  test('adds nodes, and takes none away', () => {
    const nodes = (count: number) => changedBy(known, { name: 'dev', nodes: count, settings: {} }).nodes;
    expect(Object.keys(nodes(1))).toEqual(['node1', 'spare']);
    expect(nodes(3)).toEqual({ ...known.nodes, node2: { index: 2 } });
  });
  test('does not count machines of their own among the nodes of this one', () => {
    const nodes = { ...known.nodes, far: { index: 2, address: '192.0.2.7' } };
    const changed = changedBy({ ...known, nodes }, { name: 'dev', nodes: 3, settings: {} });
    expect(changed.nodes).toEqual({ ...nodes, node4: { index: 4 } });
  });
  test('listens for other machines where it is told to, and until it is told otherwise', () => {
    const listening = changedBy(known, { name: 'dev', listen: ['192.0.2.1'], settings: {} });
    expect(listening.listen).toEqual(['192.0.2.1']);
    expect(changedBy(listening, { name: 'dev', settings: {} }).listen).toEqual(['192.0.2.1']);
    expect(changedBy(listening, { name: 'dev', listen: ['127.0.0.1'], settings: {} }).listen).toEqual([]);
  });
  test('refuses a scheduler of IPVS in another mode, where nobody would ask it', () => {
    const wish = { name: 'dev', settings: { ipvsScheduler: 'mh' }, isOnPaper: true };
    const refused = () => refuseProxySettings(changedBy(known, wish), wish);
    expect(refused).toThrow('has the mode nftables. Give --proxy-mode ipvs as well, or leave --ipvs-scheduler out.');
    const inIpvs = { ...known, settings: { proxyMode: 'ipvs' as const } };
    expect(() => refuseProxySettings(changedBy(inIpvs, wish), wish)).not.toThrow();
    const back = { name: 'dev', settings: { proxyMode: 'nftables' as const }, isOnPaper: true };
    expect(() => refuseProxySettings(changedBy(changedBy(inIpvs, wish), back), back)).not.toThrow();
  });
  test('takes new settings beside the old ones', () => {
    const { settings } = changedBy(known, { name: 'dev', settings: { nodeMonitorGracePeriodSeconds: 5 } });
    expect(settings).toEqual({ defaultTolerationSeconds: 2, nodeMonitorGracePeriodSeconds: 5 });
  });
});

describe('status', () => {
  test('names the cluster, its nodes and its processes', () => {
    expect(linesOf(status())).toEqual([
      'cluster dev is running: https://127.0.0.1:6443, data in /data, supervisor 7',
      '  node node1     running  172.30.0.11  10.244.1.0/24',
      '  control-plane  running  process 8',
    ]);
  });
  test('names machines of their own, of which only the API knows whether they run', () => {
    const far = { name: 'far', addresses: ['192.0.2.7'], podRanges: ['10.244.2.0/24'] };
    expect(linesOf(status({ nodesElsewhere: [far] }))).toContain(
      '  node far       elsewhere  192.0.2.7    10.244.2.0/24',
    );
    expect(isWhole(status({ nodesElsewhere: [far] }))).toBe(true);
  });
  test.each([
    ['all runs', {}, true],
    ['it only starts', { phase: 'starting' as const }, false],
    ['a node failed', { nodes: [{ ...status().nodes[0]!, state: 'failed' as const }] }, false],
    ['a process backs off', { processes: [{ name: 'node1/net', state: 'backing off' as const, restarts: 1 }] }, false],
    [
      'a node was stopped on purpose',
      {
        nodes: [{ ...status().nodes[0]!, state: 'stopped' as const }],
        processes: [{ name: 'node1/net', state: 'stopped' as const, restarts: 0 }],
      },
      true,
    ],
  ])('when %s', (_when, changes, expected) => expect(isWhole(status(changes))).toBe(expected));

  test('a process that ended is news once', () => {
    const after = status({ processes: [{ name: 'control-plane', state: 'backing off', restarts: 1 }] });
    expect(newsBetween(status(), after).join()).toContain('control-plane ended');
    expect(newsBetween(after, after)).toEqual([]);
  });
});

test('progress tells what is done and how long it took', async () => {
  const clock = new ManualClock();
  let written = '';
  const progress = progressOn({ write: (text) => (written += text) }, clock);
  await progress.step('nodes', async (tell) => {
    clock.advance(1_500);
    tell('2 nodes');
  });
  await expect(progress.step('images', () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk');
  expect(stripVTControlCharacters(written).split('\n')).toEqual(['✓ 2 nodes (1.5 s)', '✗ images (0.0 s)', '']);
});

test('the systemd unit leaves nodes alone when the supervisor ends, and quotes its words', () => {
  const text = unitText({
    name: 'dev',
    argv: ['/usr/bin/node', '/opt/my kedge/100%.mjs', '$HOME'],
    logFile: '/l/s.log',
  });
  expect(text).toContain('KillMode=process');
  expect(text).toContain('ExecStart="/usr/bin/node" "/opt/my kedge/100%%.mjs" "$$HOME"');
});
