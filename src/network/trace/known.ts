/**
 * What a trace may know. Small lists are there from the start; what only some traces need is asked for by name: a trace that
 * lacks an answer goes on without it and says what it wanted, and is made again when somebody has found it.
 */

import type { Gateway } from '#api/gateway/v1/gateway.ts';
import type { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import type { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import type {
  Event as CoreEvent,
  EndpointSlice,
  Ingress,
  IngressClass,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  Service,
} from '#api/generated/schema.ts';
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';

export interface Question {
  url: URL;
  from: Source;
  /** Of this machine on the network of the nodes, where it is known. */
  hostAddress?: string | undefined;
}

export type Source =
  | { type: 'host' }
  | { type: 'node'; name: string }
  | { type: 'pod'; namespace: string; name: string };

/** What somebody asked for could not be read, in one line: not allowed, not there. */
export interface Unseen {
  unseen: string;
  isMissing?: boolean;
}

export interface Resolved {
  addresses: readonly string[];
  /** Who said so. */
  by: string;
}

export interface KeyPairText {
  certificate: string;
  key: string;
}

export type Want =
  | { type: 'name'; name: string }
  | { type: 'secret'; namespace: string; name: string }
  /** '': of all. */
  | { type: 'pods'; namespace: string }
  | { type: 'events'; namespace: string; pod: string }
  | { type: 'node'; node: string; pod?: string; front?: string };

interface Found {
  name: Resolved;
  secret: KeyPairText;
  pods: readonly Pod[];
  events: readonly CoreEvent[];
  node: NetworkFacts;
}

export interface ClusterLists {
  /** `cluster.local`. */
  domain: string;
  dnsAddresses: readonly string[];
  nowMs: number;
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  ingresses: readonly Ingress[];
  /** Of the Gateway API; empty where the cluster has none of it. */
  gateways: readonly Gateway[];
  gatewayClasses: readonly GatewayClass[];
  routes: readonly AnyRoute[];
  grants: readonly ReferenceGrant[];
  classes: readonly IngressClass[];
  nodes: readonly Node[];
  namespaces: readonly Namespace[];
  policies: readonly NetworkPolicy[];
  /** Ports of this machine's loopback that lead into the cluster. */
  loopback: readonly LoopbackPort[];
}

export interface LoopbackPort {
  port: number;
  /** `ingress http`, `ingress https`, or `namespace/service:port`. */
  to: string;
}

export const wantId = (want: Want): string => JSON.stringify(want);

export class Known {
  readonly lists: ClusterLists;
  readonly #found: ReadonlyMap<string, unknown>;
  readonly #wants = new Map<string, Want>();

  constructor(lists: ClusterLists, found: ReadonlyMap<string, unknown> = new Map()) {
    this.lists = lists;
    this.#found = found;
  }

  /** Whatever was asked for and has no answer yet. */
  get wants(): Want[] {
    return [...this.#wants.values()];
  }

  /** undefined: nobody has looked yet. */
  find<T extends Want['type']>(want: Want & { type: T }): Found[T] | Unseen | undefined {
    const id = wantId(want);
    const found = this.#found.get(id) as Found[T] | Unseen | undefined;
    if (found === undefined) this.#wants.set(id, want);
    return found;
  }

  /** Those that can be seen. */
  podsIn(namespace: string): readonly Pod[] {
    const found = this.find({ type: 'pods', namespace });
    return found && !isUnseen(found) ? found : [];
  }

  namespaceLabels = (name: string): Readonly<Record<string, string>> =>
    this.lists.namespaces.find(({ metadata }) => metadata.name === name)?.metadata.labels ?? {};

  zoneOf(nodeName: string): string | undefined {
    const node = this.lists.nodes.find(({ metadata }) => metadata.name === nodeName);
    return node?.metadata.labels?.['topology.kubernetes.io/zone'];
  }

  addressOf(nodeName: string): string | undefined {
    const node = this.lists.nodes.find(({ metadata }) => metadata.name === nodeName);
    return node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  }
}

export const isUnseen = (found: object): found is Unseen => 'unseen' in found;
