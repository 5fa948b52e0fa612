/** What the rules of the proxy's mode iptables say of one virtual address or port of the node. Source: iptables-save(8). */
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { familyOf } from '#network/netfilter/ip-family.ts';
import type { Ask } from './node-facts.ts';

export interface AskedFront {
  /** undefined: a port of the node. */
  address: string | undefined;
  protocol: string;
  port: string;
}

type State = NonNullable<NetworkFacts['front']>['state'];

/** undefined: there are no such rules either. */
export async function stateInIptables(front: AskedFront, ask: Ask): Promise<State | undefined> {
  const save = familyOf(front.address ?? '') === 'ipv4' ? 'iptables-save' : 'ip6tables-save';
  const [nat, filter] = await Promise.all([ask(save, ['-t', 'nat']), ask(save, ['-t', 'filter'])]);
  if (!nat?.includes(':KUBE-SERVICES ')) return undefined;
  const leading = rulesFor(front, nat).filter((rule) => /-j KUBE-SVC-\w+$/.test(rule));
  // Those of a balancer's source ranges say who may come; those of the cluster's own clients nothing of anybody else.
  const isForInside = leading.some((rule) => rule.includes('--src-type LOCAL'));
  if (leading.some((rule) => !/ -s |--src-type/.test(rule)) || (leading.length > 0 && !isForInside)) return 'endpoints';
  const [refused] = rulesFor(front, filter ?? '').flatMap((rule) => /-j (DROP|KUBE-REFUSE)$/.exec(rule)?.[1] ?? []);
  return refused === undefined ? 'absent' : refused === 'DROP' ? 'dropped' : 'refused';
}

function rulesFor({ address, protocol, port }: AskedFront, listing: string): string[] {
  const wide = address && `${address}/${address.includes(':') ? 128 : 32}`;
  return listing.split('\n').flatMap((line) => {
    const rule = line.replace(/ --comment (?:"[^"]*"|\S+)/, '');
    const isAsked =
      /^-A KUBE-(?:SERVICES|NODEPORTS) /.test(rule) &&
      rule.includes(` -p ${protocol} `) &&
      rule.includes(` --dport ${port} `) &&
      (/ -d (\S+) /.exec(rule)?.[1] ?? undefined) === wide;
    return isAsked ? [rule.trimEnd()] : [];
  });
}
