import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { addressIn, overlaps } from './address-range.ts';
import {
  BadDataDir,
  type ClusterRecord,
  checkedClusterName,
  clusterPaths,
  FORMAT_VERSION,
  prepareRunDir,
  readCluster,
  writeCluster,
} from './cluster-dir.ts';
import { purge } from './cluster-removal.ts';
import { clusterRegistry, cniConflist, containerdToml } from './containerd-config.ts';
import { capabilitiesOf, cgroupOf, type MachineFacts, missingForNodes } from './detect.ts';
import { withFileLock } from './file-lock.ts';
import { droppingChains } from './firewall.ts';
import { masqueradeRules } from './host-network.ts';
import { freeIndex, nodeLayout } from './node-layout.ts';
import { isAlive, parseStat, recordOf } from './process-record.ts';
import { descendants } from './process-tree.ts';
import { nodePlanOf, planOf, releaseSlot, SLOTS, takeSlot } from './slots.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-machine-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const record = (changes: Partial<ClusterRecord> = {}): ClusterRecord => ({
  formatVersion: FORMAT_VERSION,
  name: 'dev',
  slot: 0,
  apiServerPort: 6443,
  nodes: { node1: { index: 1 } },
  simulatedNodes: 0,
  settings: {},
  ...changes,
});

describe('addresses', () => {
  test.each([
    ['172.30.0.0/24', '172.30.0.0/16', true],
    ['172.30.0.0/24', '172.30.1.0/24', false],
    ['10.0.0.0/8', '10.244.0.0/16', true],
    ['192.0.2.7', '192.0.2.0/24', true],
    ['0.0.0.0/0', '10.0.0.0/8', true],
  ])('%s and %s overlap: %s', (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
    expect(overlaps(b, a)).toBe(expected);
  });

  test('a node has its addresses by its number', () => {
    expect(addressIn('10.96.0.0/16', 10)).toBe('10.96.0.10');
    expect(nodePlanOf(planOf(3), 2)).toEqual({
      addresses: ['172.30.3.12'],
      podRanges: ['10.241.2.0/24'],
      link: 'kedge3n2',
    });
  });

  test('no two slots share a range, and every interface name fits into 15 characters', () => {
    const ranges = Array.from({ length: SLOTS }, (_, slot) => planOf(slot, ['IPv4', 'IPv6'])).flatMap((plan) => [
      ...plan.nodeRanges,
      ...plan.podRanges,
      ...plan.serviceRanges,
    ]);
    const clashes = ranges.filter((a, i) => ranges.some((b, j) => i !== j && overlaps(a, b)));
    expect(clashes).toEqual([]);
    expect(nodePlanOf(planOf(SLOTS - 1), 240).link.length).toBeLessThanOrEqual(15);
  });
});

describe('slots', () => {
  const register = (inUse: string[] = []) => ({
    folder: join(folder, 'machine'),
    clock: new ManualClock(),
    rangesInUse: async () => inUse,
    isPortFree: async () => true,
  });
  const owner = async (name: string) => {
    await mkdir(join(folder, name), { recursive: true });
    return { name, dataDir: join(folder, name) };
  };

  test('a cluster keeps its slot; another gets the next; a released one is used again', async () => {
    const [one, two] = [await owner('one'), await owner('two')];
    expect((await takeSlot(register(), one)).slot).toBe(0);
    expect((await takeSlot(register(), two)).slot).toBe(1);
    expect((await takeSlot(register(), one)).slot).toBe(0);
    await releaseSlot(register(), one);
    expect((await takeSlot(register(), await owner('three'))).slot).toBe(0);
  });

  test('ranges that the machine routes elsewhere are passed over', async () => {
    expect((await takeSlot(register(['10.244.0.0/16', '172.30.1.0/24']), await owner('one'))).slot).toBe(2);
    await expect(takeSlot(register(['10.0.0.0/8']), await owner('two'))).rejects.toThrow(/no free address ranges/);
  });

  test('a name belongs to one data directory', async () => {
    await takeSlot(register(), await owner('one'));
    await mkdir(join(folder, 'elsewhere'));
    await expect(takeSlot(register(), { name: 'one', dataDir: join(folder, 'elsewhere') })).rejects.toThrow(
      /exists already, with its data in/,
    );
  });

  test('a cluster whose folder was deleted gives its slot back', async () => {
    await takeSlot(register(), await owner('one'));
    await rm(join(folder, 'one'), { recursive: true });
    expect((await takeSlot(register(), await owner('two'))).slot).toBe(0);
  });
});

describe('the lock', () => {
  const path = () => join(folder, 'lock');
  const clock = new ManualClock();

  test('is held by one at a time and is gone afterwards', async () => {
    const order: string[] = [];
    const tryOther = () => withFileLock({ path: path(), clock, timeoutMs: 100 }, async () => order.push('other'));
    await withFileLock({ path: path(), clock }, async () => {
      order.push('in');
      const refused = tryOther().then(
        () => 'got it',
        (error: Error) => error.message,
      );
      let outcome: string | undefined;
      void refused.then((text) => {
        outcome = text;
      });
      while (outcome === undefined) {
        clock.advance(50);
        await new Promise((done) => setImmediate(done));
      }
      expect(outcome).toContain(`is held by process ${process.pid}`);
    });
    await tryOther();
    expect(order).toEqual(['in', 'other']);
  });

  test('of a process that was killed is taken over', async () => {
    await writeFile(path(), JSON.stringify({ pid: 999_999_999, startTicks: 1, bootId: 'x' }));
    expect(await withFileLock({ path: path(), clock }, async () => 'in')).toBe('in');
    await expect(stat(path())).rejects.toThrow('ENOENT');
  });
});

describe('a cluster folder', () => {
  test('that is new or empty holds no cluster yet', async () => {
    expect(await readCluster(clusterPaths('dev', join(folder, 'new')), 'dev')).toBeUndefined();
  });

  test('gives back what was written', async () => {
    const paths = clusterPaths('dev', folder);
    await writeCluster(paths, record());
    expect(await readCluster(paths, 'dev')).toEqual(record());
    expect((await stat(paths.record)).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['of a later format', { formatVersion: 2 }, /is of format 2, this kedge writes format 1/],
    ['of another cluster', { name: 'other' }, /holds cluster "other"/],
  ])('%s is refused', async (_what, changes, message) => {
    const paths = clusterPaths('dev', folder);
    await writeCluster(paths, record(changes));
    await expect(readCluster(paths, 'dev')).rejects.toThrow(message);
  });

  test("with somebody else's files is refused, and purging leaves those", async () => {
    const paths = clusterPaths('dev', folder);
    await writeFile(join(folder, 'thesis.odt'), '');
    await expect(readCluster(paths, 'dev')).rejects.toThrow(BadDataDir);
    await writeCluster(paths, record());
    await purge(paths);
    expect((await stat(join(folder, 'thesis.odt'))).isFile()).toBe(true);
    await expect(stat(paths.record)).rejects.toThrow('ENOENT');
  });

  test('that was purged has nothing of a cluster left, whatever its parts are', async () => {
    const paths = clusterPaths('dev', join(folder, 'dev'), false);
    for (const path of [...Object.values(paths), join(paths.dataDir, 'nodes')]) await mkdir(path, { recursive: true });
    await purge(paths);
    await expect(stat(paths.dataDir)).rejects.toThrow('ENOENT');
  });

  test('that is not readable is named with the next step', async () => {
    const paths = clusterPaths('dev', folder);
    await writeFile(paths.record, '{');
    await expect(readCluster(paths, 'dev')).rejects.toThrow(/cluster.json is not readable/);
  });

  test('too deep for a socket is refused', () => {
    expect(() => clusterPaths('dev', `/${'x'.repeat(100)}`)).toThrow(/too long for a unix socket/);
  });

  test('of an earlier boot loses its run folder', async () => {
    const paths = clusterPaths('dev', folder, false);
    await prepareRunDir(paths);
    await writeFile(join(paths.runDir, 'c.sock'), '');
    await prepareRunDir(paths);
    expect((await stat(join(paths.runDir, 'c.sock'))).isFile()).toBe(true);
    await writeFile(join(paths.runDir, 'boot.json'), '{"bootId":"before"}');
    await prepareRunDir(paths);
    await expect(stat(join(paths.runDir, 'c.sock'))).rejects.toThrow('ENOENT');
  });

  test.each(['', 'Dev', '-dev', 'a/b', '..', 'x'.repeat(33)])('the name "%s" is refused', (name) => {
    expect(() => checkedClusterName(name)).toThrow(/not a cluster name/);
  });

  test('nodes take the lowest free number', () => {
    expect(freeIndex({ a: { index: 1 }, c: { index: 3 } })).toBe(2);
  });
});

describe('what the machine can do', () => {
  const CGROUP_V1 = [
    'tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0',
    'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0',
    'cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0',
    'cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0',
  ].join('\n');

  test('version 1 where the hierarchies are mounted, even with a version 2 beside them', () => {
    expect(cgroupOf(CGROUP_V1, undefined)).toEqual({
      version: 1,
      controllers: {
        cpu: '/sys/fs/cgroup/cpu,cpuacct',
        cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
        systemd: '/sys/fs/cgroup/systemd',
      },
    });
  });

  test('version 2 where it has the controllers', () => {
    const { version, controllers } = cgroupOf('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0', 'cpu memory\n');
    expect({ version, names: Object.keys(controllers) }).toEqual({ version: 2, names: ['cpu', 'memory'] });
  });

  test('capabilities are read by their bits', () => {
    expect(capabilitiesOf('CapEff:\t000001fffeffffff\n')).toEqual({
      netAdmin: true,
      sysAdmin: true,
      sysResource: false,
    });
    expect(capabilitiesOf('CapEff:\t0000000000000000\n').sysAdmin).toBe(false);
  });

  const able: MachineFacts = {
    platform: 'linux',
    root: true,
    systemd: false,
    capabilities: { sysAdmin: true, netAdmin: true, sysResource: true },
    cgroup: { version: 2, controllers: {} },
    appArmor: false,
    overlay: true,
    programs: Object.fromEntries(
      ['containerd', 'ctr', 'runc', 'ip', 'nft', 'conntrack', 'nsenter', 'unshare', 'mount'].map((name) => [
        name,
        name,
      ]),
    ),
    cniFolder: '/opt/cni/bin',
  };
  const whats = (facts: MachineFacts) => missingForNodes(facts).map(({ what }) => what);

  test('nothing is missing on a machine with everything', () => expect(whats(able)).toEqual([]));
  test('elsewhere than on Linux one reason is enough', () =>
    expect(whats({ ...able, platform: 'darwin', root: false, programs: {} })).toEqual(['Linux']));
  test('each missing program is named with its package', () => {
    const { runc: _gone, ...programs } = able.programs;
    expect(missingForNodes({ ...able, programs })).toEqual([
      { what: 'runc', remedy: 'Install it: apt-get install runc' },
    ]);
  });
  test('an ordinary user is told to be root, and nothing that root would see differently', () =>
    expect(whats({ ...able, root: false, overlay: false })).toEqual(['root rights']));
});

describe('processes', () => {
  test('a stat line with parentheses and blanks in the name is read', () => {
    const rest = 'S 42 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0';
    expect(parseStat(`77 (a) b) (c) ${rest}`)).toEqual({ pid: 77, parent: 42, state: 'S', startTicks: 987654 });
  });

  test('a record holds for the same process only', () => {
    const own = recordOf(process.pid);
    expect(isAlive(own)).toBe(true);
    expect(isAlive(own && { ...own, startTicks: own.startTicks + 1 })).toBe(process.platform !== 'linux');
    expect(isAlive(own && { ...own, bootId: 'before' })).toBe(false);
  });

  test('a process that has ended is not alive', async () => {
    const child = spawn('sleep', ['60']);
    const found = recordOf(child.pid ?? 0);
    expect(isAlive(found)).toBe(true);
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
    expect(isAlive(found)).toBe(false);
  });

  test('descendants are found over any number of levels', () => {
    const process = (pid: number, parent: number) => ({ pid, parent, state: 'S', startTicks: 1 });
    const all = [process(1, 0), process(4, 3), process(2, 1), process(3, 2), process(9, 1)];
    expect(descendants(all, [process(2, 1)]).map(({ pid }) => pid)).toEqual([3, 4]);
  });
});

describe('what programs are told', () => {
  const layout = () => nodeLayout(record(), clusterPaths('dev', '/var/lib/kedge/dev', true), 'node1');
  const facts = { capabilities: { sysAdmin: true, netAdmin: true, sysResource: false }, appArmor: false };

  test("containerd shares nothing with another node's, and is told what root may not do", () => {
    const toml = containerdToml({
      layout: layout(),
      facts: { ...facts, cniFolder: '/usr/lib/cni', programs: { runc: '/usr/sbin/runc' } },
      pauseImage: 'kedge.local/pause:1',
    });
    for (const line of [
      'root = "/var/lib/kedge/dev/nodes/node1/containerd"',
      'state = "/run/kedge/dev/node1/state"',
      'address = "/run/kedge/dev/node1/c.sock"',
      'Root = "/run/kedge/dev/node1/runc"',
      'netns_mounts_under_state_dir = true',
      'restrict_oom_score_adj = true',
      'disable_apparmor = true',
      'enable_cdi = true',
      'bin_dir = "/usr/lib/cni"',
      'sandbox_image = "kedge.local/pause:1"',
    ]) {
      expect(toml).toContain(line);
    }
  });

  test("the cluster's registry is known by the name it has on the host, with TLS from machines of their own", () => {
    const registry = clusterRegistry(layout());
    expect(registry?.name).toBe(`localhost:${layout().plan.registryPort}`);
    const url = `"http://${layout().plan.hostAddresses[0]}:${layout().plan.registryPort}"`;
    expect(registry?.hostsToml).toBe(`server = ${url}\n\n[host.${url}]\n  capabilities = ["pull", "resolve"]\n`);
    const far = clusterRegistry({ ...layout(), gateway: '192.0.2.1' });
    expect(far?.name).toBe(registry?.name);
    expect(far?.hostsToml).toContain(`server = "https://192.0.2.1:${layout().plan.registryPort}"`);
    expect(far?.hostsToml).toContain('ca = "/var/lib/kedge/dev/nodes/node1/pki/ca.crt"');
  });

  test('a CNI configuration of the user has each node’s own values where it asks for them', () => {
    const given = {
      name: 'mine',
      plugins: [{ type: 'x', mtu: '$MTU', at: ['$POD_RANGE_IPV4', 'a $MTU', '$STATE_DIR'] }],
    };
    const { podRanges, cniStateDir } = layout();
    const at = [podRanges[0], 'a $MTU', cniStateDir];
    expect(JSON.parse(cniConflist(layout(), 1400, given))).toEqual({
      name: 'mine',
      plugins: [{ type: 'x', mtu: 1400, at }],
    });
  });

  test('a node of two families has a range of each, and no pod waits for its IPv6 address', () => {
    const dual = { ...layout(), podRanges: ['10.244.1.0/24', 'fd00:244:1::/64'] };
    const { plugins } = JSON.parse(cniConflist(dual, 1400));
    expect(plugins.map(({ type }: { type: string }) => type)).toEqual(['kedge-no-detection', 'ptp']);
    expect(plugins[1].ipam.ranges).toEqual([[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]]);
    expect(plugins[1].ipam.routes).toEqual([{ dst: '0.0.0.0/0' }, { dst: '::/0' }]);
  });

  test('pods are routed, with the addresses of their node, and no portmap', () => {
    const conflist = JSON.parse(cniConflist(layout(), 1400));
    expect(conflist.plugins).toHaveLength(1);
    expect(conflist.plugins[0]).toMatchObject({
      type: 'ptp',
      ipMasq: false,
      mtu: 1400,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]] },
    });
  });

  test('what leaves the machine is translated, what stays is not', () => {
    expect(masqueradeRules(planOf(0))).toContain(
      'ip saddr { 172.30.0.0/24, 10.244.0.0/16 } ip daddr != { 10.244.0.0/16 } oifname != { "kedge0", "lo" } masquerade',
    );
  });

  test('a forward chain that drops is found, others are not', () => {
    const chain = (name: string, policy: string, hook = 'forward', family = 'ip') => ({
      chain: { family, table: 'filter', name, hook, policy },
    });
    const listing = { nftables: [chain('FORWARD', 'drop'), chain('ok', 'accept'), chain('INPUT', 'drop', 'input')] };
    expect(droppingChains(listing).map(({ name }) => name)).toEqual(['FORWARD']);
  });
});
