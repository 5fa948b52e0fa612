/**
 * A small network in namespaces of the test's own: one node that routes, and hosts that are wired to it, as pods are. Needs
 * root, iproute2 and nsenter.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { promisify } from 'node:util';

export interface Lab {
  /** Runs a command in a host's network, or in the node's (`node`). */
  inside(host: string, command: string, args: readonly string[], input?: string): string;
  /** The same as an argument array, for somebody else to run. */
  commandIn(host: string, ...command: readonly string[]): string[];
  /** A process that lives as long as the lab; resolves with its first output, rejects when it ends before. */
  keep(host: string, script: string): Promise<ChildProcess>;
  /** What a TCP server says first, or how it failed: `refused`, `timeout`. */
  ask(from: string, address: string, port: number): Promise<string>;
  close(): void;
}

/** Whether this machine has the program. */
export const has = (command: string): boolean => {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', command], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** Whether this machine can have one. With CI=true it must. */
export function canHaveLab(): boolean {
  const can = process.getuid?.() === 0 && ['nft', 'ip', 'nsenter', 'sysctl'].every(has);
  if (process.env['CI'] === 'true' && !can) throw new Error('needs root, nftables and iproute2');
  return can;
}

/** The kernel follows connections only where a rule asks for it; a node's kube-proxy does, long before there is a policy. */
const TRACKING = `table inet tracking {
  chain prerouting { type filter hook prerouting priority 0; ct state new counter; }
}
`;

let labs = 0;

/** `hosts`: name → address. The node's side of every wire has `gateway`, an address that each host can reach. */
export function networkLab({ hosts, gateway }: { hosts: Record<string, string>; gateway: string }): Lab {
  const prefix = `kl${process.pid}-${labs++}`;
  const namespace = (host: string) => `${prefix}-${host}`;
  const kept: ChildProcess[] = [];
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const entered = (host: string) => [`--net=/run/netns/${namespace(host)}`];
  const inside: Lab['inside'] = (host, command, args, input) =>
    execFileSync('nsenter', [...entered(host), command, ...args], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    }).toString();
  const made: string[] = [];
  const close = () => {
    for (const child of kept) child.kill('SIGKILL');
    for (const name of made) ip('netns', 'delete', namespace(name));
  };
  const wireUp = () => {
    for (const name of ['node', ...Object.keys(hosts)]) {
      ip('netns', 'add', namespace(name));
      made.push(name);
      inside(name, 'ip', ['link', 'set', 'lo', 'up']);
    }
    for (const [host, address] of Object.entries(hosts)) {
      const wire = ['netns', namespace(host), 'type', 'veth', 'peer', 'name', host, 'netns', namespace('node')];
      ip('link', 'add', 'eth0', ...wire);
      inside(host, 'ip', ['-batch', '-'], `address add ${address}/32 dev eth0\nlink set eth0 up\n`);
      const nodeSide = `address add ${gateway}/32 dev ${host}\nlink set ${host} up\nroute add ${address}/32 dev ${host}\n`;
      inside('node', 'ip', ['-batch', '-'], nodeSide);
      inside(host, 'ip', ['-batch', '-'], `route add ${gateway} dev eth0\nroute add default via ${gateway}\n`);
    }
    inside('node', 'sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.route_localnet=1']);
    inside('node', 'nft', ['-f', '-'], TRACKING);
  };
  try {
    wireUp();
  } catch (error) {
    close();
    throw error;
  }
  return {
    inside,
    commandIn: (host, ...command) => ['nsenter', ...entered(host), ...command],
    keep: (host, script) =>
      new Promise((resolve, reject) => {
        const child = spawn('nsenter', [...entered(host), process.execPath, '-e', script], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        kept.push(child);
        child.once('error', reject);
        child.once('exit', (code, signal) =>
          reject(new Error(`in ${host} it ended with ${signal ?? code}, and said nothing`)),
        );
        child.stdout?.once('data', () => resolve(child));
      }),
    ask: async (from, address, port) => {
      const script = `const s=require('net').connect(${port},'${address}');s.setTimeout(3000,()=>{console.log('timeout');process.exit()});
        s.on('data',d=>{console.log(String(d));process.exit()});s.on('error',e=>{console.log(e.code==='ECONNREFUSED'?'refused':e.code);process.exit()})`;
      const { stdout } = await promisify(execFile)('nsenter', [...entered(from), process.execPath, '-e', script]);
      return stdout.trim();
    },
    close,
  };
}

/** Says its name and whom it sees to everybody who connects to one of its TCP ports. */
export const tellsItsName = (name: string, ports: readonly number[]): string =>
  `Promise.all(${JSON.stringify(ports)}.map(p=>new Promise(r=>require('net').createServer(s=>s.on('error',()=>0)
    .end('${name} '+s.remoteAddress.replace('::ffff:',''))).listen(p,r)))).then(()=>console.log('up'))`;

/** Sends back whatever comes, over TCP and UDP at one port. */
export const echo = (port: number): string =>
  `require('net').createServer(s=>s.on('error',()=>0).pipe(s)).listen(${port},()=>{
    const u=require('dgram').createSocket('udp4');u.on('message',(m,r)=>u.send(m,r.port,r.address));u.bind(${port},()=>console.log('up'))})`;
