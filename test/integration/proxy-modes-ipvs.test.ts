/** What only the mode ipvs has, against a kernel with IPVS: the node has the addresses of Services, and endpoints finish what they began. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { familyWord } from '#network/netfilter/ip-family.ts';
import { wantedOf } from '#network/proxy/fronts.ts';
import type { ServicePort } from '#network/proxy/service-port.ts';
import {
  ADDRESSES,
  ask,
  batch,
  canIpvs,
  endpointsOf,
  entered,
  inside,
  ipvsRenderer,
  namesIn,
  once,
  RENDERERS,
  serve as runServer,
  servers,
  servicePortOf,
  useProxyLab,
} from './proxy-modes-lab.ts';

useProxyLab();
beforeAll(async () => {
  if (!canIpvs) return;
  await runServer('node', OWN_SERVER);
  for (const pod of ['pod1', 'pod2']) await runServer(pod, talkerOf(pod));
});

const OWN_PORT = 2222;
/** The node's own, at all of its addresses. */
const OWN_SERVER = `require('net').createServer(s=>s.on('error',()=>0).end('node itself')).listen(${OWN_PORT},'::',()=>console.log('up'))`;
/** Says who it is with each word. */
const talkerOf = (
  pod: string,
) => `require('net').createServer(s=>{s.on('error',()=>0);s.on('data',d=>s.write('${pod} '+d))})
  .listen(7000,'::',()=>console.log('up'))`;

describe.skipIf(!canIpvs).each(['ipv4', 'ipv6'] as const)('ipvs, by its own ways, %s', (family) => {
  const { node, clusterIP, externalIP } = ADDRESSES[family];
  const renderer = RENDERERS.ipvs(family);
  const [first, second] = endpointsOf(family);
  const put = (change: Partial<ServicePort>) =>
    renderer.put(new Map([['service default/web', wantedOf([servicePortOf(family, change)])]]));
  const only = (...endpoints: (typeof first)[]) => {
    const all = endpoints.flatMap((endpoint) => endpoint ?? []);
    return { endpoints: all, localEndpoints: all };
  };
  const listed = () => inside('node', 'ipvsadm', ['-Ln']);
  const sysctl = (name: string) => inside('node', 'sysctl', ['-n', name]).trim();
  afterAll(() => renderer.remove());

  test('addresses of Services are the node’s, and do not show what else listens there', async () => {
    await put({ externalIPs: [externalIP, node] });
    expect(inside('node', 'ip', ['address', 'show', 'dev', 'kube-ipvs0'])).toContain(clusterIP);
    for (const [from, address] of [
      ['client', externalIP],
      ['pod1', clusterIP],
      ['node', clusterIP],
    ] as const) {
      expect(await once(from, address, 80), `${from} at ${address}`).toMatch(/^pod[12] /);
      expect(await once(from, address, OWN_PORT), `${from} at ${address}`).toBe('refused');
    }
    // An external address that the node has itself is no other for all else.
    expect(inside('node', 'ip', ['address', 'show', 'dev', 'kube-ipvs0'])).not.toContain(` ${node}/`);
    expect(await once('client', node, OWN_PORT)).toBe('node itself');
    expect(await once('client', node, 80)).toMatch(/^pod[12] /);
    for (const name of ['conntrack', 'expire_nodest_conn', 'expire_quiescent_template'])
      expect(sysctl(`net.ipv4.vs.${name}`)).toBe('1');
  });

  test('an endpoint that leaves gets nothing new, finishes what it has, and is let go of', async () => {
    await put(only(first));
    const talk = `const s=require('net').connect(7,'${clusterIP}');s.on('data',d=>console.log(String(d)));
      process.stdin.on('data',d=>String(d)==='bye'?s.resetAndDestroy():s.write(d))`;
    const echo = { id: 'default/echo:7', port: 7, nodePort: undefined };
    const at = (of: typeof first) => only(of && { ...of, port: 7000 });
    const putEcho = (of: typeof first) => put({ ...echo, ...at(of) });
    await putEcho(first);
    const talker = spawn('nsenter', [entered('client'), process.execPath, '-e', talk], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    servers.push(talker);
    let said = '';
    talker.stdout.on('data', (text) => {
      said += text;
    });
    talker.stdin.write('one');
    await expect.poll(() => said, { timeout: 60_000 }).toContain('pod1 one');
    await putEcho(second);
    talker.stdin.write('two');
    await expect.poll(() => said, { timeout: 60_000 }).toContain('pod1 two');
    expect(await renderer.isInForce()).toBe(true); // and it has a connection
    expect(listed()).toMatch(new RegExp(`${first?.ip.replaceAll('.', '\\.')}\\]?:7000 +Masq +0 +1`));
    talker.stdin.write('bye');
    // IPVS remembers a connection for ten seconds that was reset; the look after that lets go.
    const leftAfterLook = async () => {
      expect(await renderer.isInForce()).toBe(true);
      return listed();
    };
    await expect.poll(leftAfterLook, { timeout: 60_000, interval: 1_000 }).not.toContain(`${first?.ip}`);
    talker.kill('SIGKILL');
  });

  test('a new address of the node answers at the ports of Services', async () => {
    await put({});
    const [added, bits] = family === 'ipv4' ? ['172.31.9.3', 32] : ['fd00:9::3', 128];
    expect(await renderer.isInForce()).toBe(true);
    batch('node', `address add ${added}/${bits} dev uplink${family === 'ipv6' ? ' nodad' : ''}`);
    batch('client', `route add ${added}/${bits} via ${node}`);
    expect(await renderer.isInForce()).toBe(false);
    renderer.forget();
    await renderer.put(new Map());
    expect(namesIn(await ask('client', added, 30_080, 6))).toEqual(['pod1', 'pod2']);
    batch('client', `route delete ${added}/${bits} via ${node}`);
    batch('node', `address delete ${added}/${bits} dev uplink`);
    renderer.forget();
    await renderer.put(new Map());
    expect(listed()).not.toContain(added);
  });

  test('whoever starts anew finds what is there, and changes only what differs', async () => {
    await put({ externalIPs: [externalIP] });
    const other = `-t ${family === 'ipv4' ? '10.96.0.77:80' : '[fd00:96::77]:80'}`;
    inside('node', 'ipvsadm', ['--restore'], `-A ${other} -s rr\n`);
    const before = inside('node', 'ipvsadm', ['-Ln', '--stats']);
    const again = RENDERERS.ipvs(family);
    await again.put(
      new Map([['service default/web', wantedOf([servicePortOf(family, { externalIPs: [externalIP] })])]]),
    );
    expect(before).toContain(other.slice(3));
    expect(listed()).not.toContain(other.slice(3));
    expect(await renderer.isInForce()).toBe(true);
    expect(await once('client', externalIP, 80)).toMatch(/^pod[12] /);
  });

  test('another scheduler chooses from the next start on, and is the same to the next look', async () => {
    await put({});
    for (const [scheduler, pods] of [
      ['sh', 1], // by the client's address
      ['mh', 2], // and its port
      ['rr', 2],
    ] as const) {
      const again = ipvsRenderer(family, scheduler);
      await again.put(new Map([['service default/web', wantedOf([servicePortOf(family, {})])]]));
      expect(listed()).toMatch(new RegExp(`:80 ${scheduler}( \\(mh-port\\))?\\s*\n`));
      expect(await again.isInForce()).toBe(true);
      expect(namesIn(await ask('client', node, 30_080, 20))).toHaveLength(pods);
    }
  });

  test('what the kernel refuses keeps nothing else from being led to', async () => {
    const [groups, shortest] =
      family === 'ipv4' ? [['239.1.1.1', '172.31.9.255'], '240.0.0.1'] : [['ff05::1'], '::102:304'];
    const all = only(...groups.map((ip) => ({ ip, port: 8080, isLocal: false })), first);
    batch('node', `address add 172.31.9.77/24 dev uplink`);
    for (const externalIPs of [groups, [shortest]]) {
      renderer.forget();
      await put({ externalIPs, ...all });
      expect(namesIn(await ask('client', node, 30_080, 4))).toEqual(['pod1']);
      expect(namesIn(await ask('pod2', clusterIP, 80, 4))).toEqual(['pod1']);
      expect(await renderer.isInForce()).toBe(true);
    }
    batch('node', `address delete 172.31.9.77/24 dev uplink`);
    renderer.forget(); // what comes next begins with the addresses that the node has now
  });

  test('an element that somebody takes out of a set is missed', async () => {
    const guarded = { guardedIPs: [externalIP], sourceRanges: [ADDRESSES[family].pod] };
    await put({ externalIPs: [externalIP], ...guarded, isExternalLocal: true, localEndpoints: [] });
    expect(await renderer.differences()).toEqual([]);
    const table = `${familyWord(family)} kube-proxy-ipvs`;
    inside('node', 'nft', ['delete', 'element', ...table.split(' '), 'guarded', `{ ${externalIP} . tcp . 80 }`]);
    expect(await renderer.isInForce()).toBe(true);
    expect(await renderer.differences()).toEqual([{ part: 'set guarded', isEmpty: true }]);
  });
});
