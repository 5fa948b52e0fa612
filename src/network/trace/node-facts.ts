/** What the kernel of this node says about one pod or one virtual address. Read only, and only for whom may ask a kubelet. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { isIpv4, isIpv6 } from '#api/machinery/ip.ts';
import { familyOf, familyWord } from '#network/netfilter/ip-family.ts';
import { stateInIptables } from './iptables-facts.ts';
import { frontInIpvs } from './ipvs-facts.ts';

export interface FactsQuestion {
  /** A process in the pod's network. */
  pid?: number;
  /** Of the pod. */
  addresses?: readonly string[];
  /** `10.96.0.10 . tcp . 80`, or `tcp . 30080` for a port of the node. */
  front?: string;
}

/** How commands are run; undefined: it ended with a failure. */
export type Ask = (command: string, args: readonly string[]) => Promise<string | undefined>;

export async function networkFacts(
  { pid, addresses = [], front }: FactsQuestion,
  ask: Ask = run,
): Promise<NetworkFacts> {
  const [listening, dropped, held] = await Promise.all([
    pid === undefined ? undefined : listeningIn(pid),
    droppedBy(addresses, ask),
    front === undefined ? undefined : frontFacts(front, ask),
  ]);
  return { ...(listening && { listening }), ...(dropped && { dropped }), ...(held && { front: held }) };
}

async function listeningIn(pid: number): Promise<number[]> {
  const texts = await Promise.all(
    ['tcp', 'tcp6'].map((file) => readFile(`/proc/${pid}/net/${file}`, 'utf8').catch(() => '')),
  );
  return [...new Set(texts.flatMap(listeningPorts))].sort((a, b) => a - b);
}

const LISTEN = '0A';

/** Of `/proc/net/tcp`: those that somebody else can reach. Source: proc(5). */
export function listeningPorts(text: string): number[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      return state === LISTEN && !isLoopback(address) ? [Number.parseInt(port, 16)] : [];
    });
}

/** In the byte order of the machine, which is little-endian here. */
const isLoopback = (hex: string): boolean =>
  hex.length === 8
    ? hex.endsWith('7F')
    : hex === '00000000000000000000000001000000' || /^0{16}FFFF0000.{6}7F$/.test(hex);

const FRONT = /^(?:([0-9a-f.:]+) \. )?(tcp|udp|sctp) \. (\d{1,5})$/;

/** undefined: what was asked for is no front. */
async function frontFacts(front: string, ask: Ask): Promise<NetworkFacts['front'] | undefined> {
  const [, address, protocol = '', port = ''] = FRONT.exec(front) ?? [];
  if (protocol === '' || (address !== undefined && !isIpv4(address) && !isIpv6(address))) return undefined;
  const family = familyOf(address ?? '');
  const table = [familyWord(family), 'kube-proxy'];
  const suffix = address === undefined ? '-np' : '';
  const get = (map: string) => ask('nft', ['get', 'element', ...table, map, `{ ${front} }`]);
  const [leading, empty, flows] = await Promise.all([
    get(address === undefined ? 'np' : 'svc'),
    get(`no-endpoints${suffix}`),
    ask('conntrack', ['-L', '-p', protocol, '--orig-port-dst', port, ...(address ? ['--orig-dst', address] : [])]),
  ]);
  const connections = (flows ?? '').split('\n').filter(Boolean).length;
  // The other modes have no such table.
  if (!leading && !empty && !(await ask('nft', ['--terse', 'list', 'map', ...table, 'svc']))) {
    const asked = { address, protocol, port };
    const inIpvs = await frontInIpvs(asked, ask);
    if (inIpvs) return { ...inIpvs, connections };
    const state = await stateInIptables(asked, ask);
    return state && { state, connections };
  }
  const state = leading ? 'endpoints' : empty ? (/\bdrop\b/.test(empty) ? 'dropped' : 'refused') : 'absent';
  return { state, connections };
}

/** By the chains of the kernel that isolate the pod. */
async function droppedBy(addresses: readonly string[], ask: Ask): Promise<NetworkFacts['dropped'] | undefined> {
  const [address] = addresses.filter((each) => isIpv4(each) || isIpv6(each));
  if (address === undefined) return undefined;
  const table = [familyWord(familyOf(address)), 'network-policy'];
  const counted = async (direction: 'ingress' | 'egress') => {
    const element = await ask('nft', ['get', 'element', ...table, direction, `{ ${address} }`]);
    const [, chain] = /goto ([a-z0-9-]+)/.exec(element ?? '') ?? [];
    const listing = chain && (await ask('nft', ['list', 'chain', ...table, chain]));
    const [, packets] = /counter packets (\d+) bytes \d+ drop/.exec(listing || '') ?? [];
    return packets === undefined ? undefined : Number(packets);
  };
  const [ingress, egress] = await Promise.all([counted('ingress'), counted('egress')]);
  if (ingress === undefined && egress === undefined) return undefined;
  return { ...(ingress !== undefined && { ingress }), ...(egress !== undefined && { egress }) };
}

const LONGEST_MS = 5_000;
const MOST_BYTES = 32 * 1024 * 1024;

const run: Ask = (command, args) =>
  new Promise((resolve) => {
    execFile(command, [...args], { timeout: LONGEST_MS, maxBuffer: MOST_BYTES }, (error, text) =>
      resolve(error ? undefined : text),
    );
  });
