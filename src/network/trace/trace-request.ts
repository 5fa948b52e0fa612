/**
 * The way of a request from who sends it to the container that answers, judged from objects alone by the functions that the
 * components themselves use: the route table of the Ingress, the proxy's endpoints, the reading of policies, the zone of the
 * DNS. Where a hop breaks and what lies behind it can still be told, the trace goes on.
 */
import type { Pod } from '#api/generated/schema.ts';
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { keyOf } from '#api/machinery/object.ts';
import { type Front, frontAt } from './front.ts';
import { gatewayPort } from './gateway-port.ts';
import { breaks, fewOf, type Hop, passes, type Trace, unknown } from './hop.ts';
import { backendsOf, ingressHops, isRedirected } from './ingress-hops.ts';
import { isUnseen, type Known, type Question } from './known.ts';
import { ingressAddressOf, nameHop } from './name-hop.ts';
import { addressesOf } from './objects.ts';
import { podHop } from './pod-hop.ts';
import { policyHop, type Sender, type Way } from './policy-hop.ts';
import { backendHops, frontHops, type Led, type Target } from './service-hops.ts';

/** So many endpoints are looked at one by one. */
const MOST_PODS = 5;

export function traceRequest(question: Question, known: Known): Trace {
  const hops = new Tracer(question, known).hops();
  return {
    url: question.url.href,
    from: fromText(question),
    hops,
    isBroken: hops.some(({ state }) => state === 'breaks'),
  };
}

const fromText = ({ from }: Question): string =>
  from.type === 'host'
    ? 'this machine'
    : from.type === 'node'
      ? `node ${from.name}`
      : `pod ${from.namespace}/${from.name}`;

class Tracer {
  readonly #question: Question;
  readonly #known: Known;
  readonly #hostname: string;
  readonly #port: number;

  constructor(question: Question, known: Known) {
    const { url } = question;
    this.#question = question;
    this.#known = known;
    this.#hostname = url.hostname.toLowerCase();
    this.#port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  }

  hops(): Hop[] {
    const { from } = this.#question;
    const pod = from.type === 'pod' ? this.#sourcePod(from) : undefined;
    if (pod && 'at' in pod) return [pod];
    const name = nameHop(this.#hostname, { pod, known: this.#known });
    const hops = name.hop ? [name.hop] : [];
    const address = name.addresses[0] ?? this.#addressOfClaimed();
    if (address === undefined) return hops;
    return [...hops, ...this.#from(pod, address)];
  }

  /** What a name without a record would lead to, if an Ingress claims it. */
  #addressOfClaimed(): string | undefined {
    const { hops, route } = ingressHops(this.#asked(), this.#known);
    return hops.length > 0 && route ? ingressAddressOf(this.#known) : undefined;
  }

  #asked() {
    const { url } = this.#question;
    return {
      hostname: this.#hostname,
      port: this.#port,
      path: url.pathname,
      query: url.search,
      isSecure: url.protocol === 'https:',
    };
  }

  #sourcePod({ namespace, name }: { namespace: string; name: string }): Pod | Hop | undefined {
    const found = this.#known.find({ type: 'pods', namespace });
    if (!found) return undefined;
    if (isUnseen(found)) return unknown('pod', `pod ${namespace}/${name}`, found.unseen);
    const pod = found.find(({ metadata }) => metadata.name === name);
    if (!pod) return breaks('pod', `pod ${namespace}/${name}`, { why: 'there is no such pod to send from' });
    if (pod.status?.phase === 'Running') return pod;
    const next = `kedge why pod/${name} -n ${namespace}`;
    return breaks('pod', `pod ${namespace}/${name}`, { why: 'it does not run, and can send nothing', next });
  }

  #from(pod: Pod | undefined, address: string): Hop[] {
    const known = this.#known;
    const front = frontAt(address, this.#port, known);
    switch (front.type) {
      case 'ingress':
        return this.#throughIngress(front, pod);
      case 'service':
        return this.#throughService(front, pod);
      case 'pod': {
        const by =
          front.by === 'hostPort'
            ? [passes('address', `${address}:${this.#port} is a hostPort of pod ${keyOf(front.pod)}`)]
            : [];
        const target = { ip: addressesOf(front.pod)[0] ?? address, port: front.port };
        return [...by, ...this.#toPods([target], this.#senders(pod, [front.pod.spec.nodeName ?? ''], true))];
      }
      case 'node': {
        const why = 'no Service has this nodePort, and no pod this hostPort';
        return [breaks('address', `${address}:${this.#port} is a port of node ${front.node.metadata.name}`, { why })];
      }
      case 'unpublished': {
        const ports = known.lists.loopback.map(({ port, to }) => `${port} (${to})`);
        const why = `nothing of the cluster is published at port ${front.port} of this machine${ports.length > 0 ? `; published are ${fewOf(ports, 5)}` : ''}`;
        return [
          breaks('address', `${address}:${this.#port}`, {
            why,
            next: 'kedge up --publish PORT:NAMESPACE/SERVICE:PORT',
          }),
        ];
      }
      case 'elsewhere':
        return [unknown('address', `${address}:${this.#port}`, 'the address is outside of the cluster')];
    }
  }

  #throughIngress({ address, isLoopback }: Front & { type: 'ingress' }, pod: Pod | undefined): Hop[] {
    const known = this.#known;
    const nodes = this.#carriers(pod);
    const at = `${address}:${this.#port}`;
    const says = `${isLoopback ? `${at} is published on this machine; Ingress` : `Ingress address ${at}`}, carried by ${carriersText(nodes)}`;
    const hops: Hop[] = [];
    const isServed = isLoopback || [80, 443].includes(this.#port) || gatewayPort(this.#port, known).listeners;
    if (!isServed) {
      const why = 'Ingresses are served at the ports 80 and 443, and no Gateway listens there';
      return [breaks('address', says, { why, next: 'leave the port out of the URL' })];
    }
    hops.push(passes('address', says));
    // By way of loopback it arrives at the usual port.
    const port = isLoopback ? (this.#question.url.protocol === 'https:' ? 443 : 80) : this.#port;
    const asked = { ...this.#asked(), port };
    const routed = ingressHops(asked, known);
    hops.push(...routed.hops);
    if (!routed.route) return hops;
    if (!asked.isSecure && isRedirected(routed.route, { hostname: this.#hostname, known }))
      hops.push(...ingressHops({ ...asked, isSecure: true }, known).hops.filter(({ at }) => at === 'certificate'));
    const led = backendsOf(routed.route).map((backend) =>
      this.#led(backendHops(backend, known), this.#nodeSenders(nodes)),
    );
    return [...hops, ...led.flat()];
  }

  #throughService(front: Front & { type: 'service' }, pod: Pod | undefined): Hop[] {
    const known = this.#known;
    const { by, service, address } = front;
    const isInside = this.#question.from.type !== 'host';
    const all = this.#carriers(pod);
    const carriers = by === 'node' ? [front.node ?? ''] : all;
    const what = {
      cluster: `the ClusterIP of Service ${keyOf(service)}`,
      balancer: `the load balancer address of Service ${keyOf(service)}`,
      external: `an external address of Service ${keyOf(service)}`,
      node: `nodePort ${this.#port} of node ${front.node}`,
      loopback: `published on this machine for Service ${keyOf(service)}`,
    }[by];
    const led = frontHops(front, carriers, { isInside, known });
    const held = this.#frontFacts(front, carriers);
    const hop = passes('address', `${address}:${this.#port} is ${what}, held by ${carriersText(carriers)}`, held);
    const keepsClient = by !== 'cluster' && by !== 'loopback' && service.spec.externalTrafficPolicy === 'Local';
    return [hop, ...this.#led(led, this.#senders(pod, carriers, keepsClient))];
  }

  /** What the kernel of the node that translates the address holds of it. */
  #frontFacts({ by, port, address }: Front & { type: 'service' }, carriers: readonly string[]): string[] {
    const [node] = carriers;
    if (!node || !port || by === 'loopback') return [];
    const at = by === 'node' ? `tcp . ${port.nodePort}` : `${address} . tcp . ${port.port}`;
    const facts = this.#known.find({ type: 'node', node, front: at });
    if (!facts) return [];
    if (isUnseen(facts)) return [`the rules of node ${node} cannot be seen: ${facts.unseen}`];
    if (!facts.front) return [];
    const { state, connections, realServers, missing } = facts.front;
    const text = {
      endpoints: 'lead to its endpoints',
      refused: 'refuse it: no endpoint',
      dropped: 'drop it: no endpoint here',
      absent: 'do not know it yet',
    }[state];
    return [
      `the rules of node ${node} ${missing ? 'are not all there' : text}; ${connections} connections now`,
      ...(missing ? [`IPVS of node ${node} would lead it on, but the node lacks ${missing}`] : []),
      ...(realServers?.length ? [`IPVS of node ${node} leads to ${fewOf(realServers.map(realServerText))}`] : []),
    ];
  }

  /** The nodes that a packet to a virtual address may be translated on. */
  #carriers(pod: Pod | undefined): string[] {
    const { from } = this.#question;
    if (pod) return [pod.spec.nodeName ?? ''];
    if (from.type === 'node') return [from.name];
    return this.#known.lists.nodes.map(({ metadata }) => metadata.name).sort();
  }

  #led({ hops, targets }: Led, senders: (way: Target, pod: Pod | undefined) => readonly Sender[]): Hop[] {
    return targets.length === 0 ? hops : [...hops, ...this.#toPods(targets, senders)];
  }

  /** Who an endpoint sees. @param keepsClient the address of a client from outside is not hidden. */
  #senders(pod: Pod | undefined, carriers: readonly string[], keepsClient: boolean) {
    if (pod && !pod.spec.hostNetwork) {
      const address = addressesOf(pod)[0] ?? '';
      return () => [{ pod, address, node: pod.spec.nodeName, says: `pod ${keyOf(pod)}` }];
    }
    if (this.#question.from.type !== 'host') return this.#nodeSenders(carriers);
    const { hostAddress = '' } = this.#question;
    const host: Sender = { pod: undefined, address: hostAddress, node: undefined, says: 'this machine' };
    const hidden = this.#nodeSenders(carriers);
    return (target: Target, at: Pod | undefined): readonly Sender[] =>
      keepsClient ? [host] : hidden(target, at).map((sender) => (sender.node === at?.spec.nodeName ? host : sender));
  }

  #nodeSenders(nodes: readonly string[]) {
    const senders = nodes.map((node): Sender => {
      return { pod: undefined, address: this.#known.addressOf(node) ?? '', node, says: `node ${node}` };
    });
    return (_target: Target, _pod: Pod | undefined): readonly Sender[] => senders;
  }

  #toPods(targets: readonly Target[], sendersOf: (target: Target, pod: Pod | undefined) => readonly Sender[]): Hop[] {
    const known = this.#known;
    const all = known.podsIn('');
    const found = targets.slice(0, MOST_PODS).map((target) => ({
      target,
      pod: all.find((each) => !each.spec.hostNetwork && addressesOf(each).includes(target.ip)),
    }));
    const ways = found.flatMap(({ target, pod }) =>
      sendersOf(target, pod).map((sender): Way => ({ sender, target, pod })),
    );
    const policy = policyHop(ways, known);
    const pods = found.map(({ target, pod }) =>
      pod
        ? podHop(pod, target.port, known)
        : passes('pod', `${target.ip}:${target.port}, which is no pod that can be seen`),
    );
    return [...(policy ? [policy] : []), ...pods];
  }
}

const carriersText = (nodes: readonly string[]): string => {
  if (nodes.length === 0) return 'no node that can be seen';
  return nodes.length === 1 ? `node ${nodes[0]}` : `one of ${nodes.length} nodes (${fewOf(nodes)})`;
};

type RealServer = NonNullable<NonNullable<NetworkFacts['front']>['realServers']>[number];

const realServerText = ({ address, weight, taken }: RealServer): string =>
  `${address} (${taken} connections so far${weight === 0 ? ', no new ones' : ''})`;
