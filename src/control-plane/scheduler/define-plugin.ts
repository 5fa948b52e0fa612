/**
 * What a scheduler plugin is: the extension points that it has, and which changes could make a pod fit that it refused. Pure:
 * it sees the pod, an immutable view of the cluster, and what its own `prepare` made of the two. Source: "Scheduling Framework".
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informer } from '#client/informer.ts';
import type { Extender } from './define-extender.ts';
import type { Domains } from './domains.ts';
import type { NodeInfo } from './node-info.ts';
import type { Trial } from './trial.ts';
import type { Verdict } from './verdict.ts';

export { fits, unresolvable, unschedulable } from './verdict.ts';

/** The cluster as of one scheduling cycle: nothing of it changes while a pod is decided on. */
export interface ClusterView {
  nodes: readonly NodeInfo[];
  /** By place in `nodes`: another number when another NodeInfo is there. To compare them takes no look at the nodes. */
  versions: Readonly<Uint32Array>;
  /** What time it is, in ms. */
  nowMs: number;
  nodeNamed(name: string): NodeInfo | undefined;
  /** Of a kind that the plugin named in `reads`. */
  cached<T extends KubeObject>(kind: Kind<T>): Pick<Informer<T>, 'get' | 'list' | 'inNamespace'>;
  /**
   * What is counted over the whole cluster under this key, as of now. Made and fed with all nodes when nobody has asked for it
   * lately; from then on told of changes, so that a count costs what has changed and not how large the cluster is.
   */
  tally<T extends Tally>(key: string, make: () => T): T;
  /** Which domain of the topology each node is in, by its place in `nodes`. */
  domains(topologyKey: string): Domains;
}

/** A count over all nodes and the pods on them. What was told as come is told as gone with the same node and pod. */
export interface Tally {
  /** With the pods that are on it. Of a node with other labels, taints or spec the old one goes first; else it is not told. */
  nodeCame(node: NodeInfo): void;
  nodeWent(node: NodeInfo): void;
  podCame(pod: Pod, node: NodeInfo): void;
  podWent(pod: Pod, node: NodeInfo): void;
}

/** What `prepare` found out: a state for the other points, and which nodes come into question; or that the plugin has no say. */
export type Prepared<State> = { state: State; onlyNodes?: ReadonlySet<string> } | 'skip' | Verdict;

export interface QueuedPod {
  pod: Pod;
  /** When it came into the queue first, in ms. */
  sinceMs: number;
  attempts: number;
}

/** A change of the cluster; both are there for an update. */
export interface ClusterChange {
  kind: Kind;
  now: KubeObject | undefined;
  before: KubeObject | undefined;
}
export interface RetryHint {
  (change: ClusterChange, pod: Pod): boolean;
  /** Whether the change is one to look at, whatever the pod: asked once for all that wait. Without it, every change is. */
  concerns?(change: ClusterChange): boolean;
}

/** What there is to say of a pod that fits nowhere. */
export interface FitsNowhere {
  cluster: ClusterView;
  verdicts: ReadonlyMap<NodeInfo, Verdict>;
  plugins: readonly Plugin[];
  /** Where room was made for this pod already. */
  nominatedTo: string | undefined;
  /** The same object for pods about which every plugin says the same of a node as long as its NodeInfo is the same. */
  alike: object | undefined;
  /** How it would be on a node if other pods went; pods that room was made for there are taken in. */
  trialOn(node: NodeInfo): Trial;
  /** It was refused before any node was looked at: those that come later in the profile were not asked. */
  refusedEarlyBy: Plugin | undefined;
  /** Who may have a say in which pods go. */
  extenders: readonly Extender[];
  client: Client;
  random: Random;
}

/** These pods are sent away from this node, so that the pod can have their place. */
export interface Room {
  nodeName: string;
  victims: readonly Pod[];
}

/**
 * `isLast`: nobody else is asked. `isAlone`: nothing that was said before it counts. `keepsPlace`: room was made before, and the pod
 * still waits for it; else it waits for no node any more.
 */
export type MadeRoom = Room | { message: string; isLast?: true; isAlone?: true; keepsPlace?: true } | undefined;

/** Whether `preBind` will have anything to do, else it is not asked; and whether that may be beside its neighbours that allow it too. */
export interface PreFlight {
  hasWork: boolean;
  allowParallel?: boolean;
}

/** What a plugin has between the decision and the binding: here it may wait, and write. */
export interface BindingServices {
  client: Client;
  clock: Clock;
  /** Of a kind that the plugin named in `reads`; as the API has it. */
  cached<T extends KubeObject>(kind: Kind<T>): Informer<T>;
  /** Aborts when there is nothing to bind any more, with the reason. */
  signal: AbortSignal;
  /** Tells of the pod, in an Event. */
  say(what: { reason: string; action: string; note: string }): void;
  /** Waits for what others do: until then the scheduler has nothing to do with this pod. */
  whileOthers<T>(act: Promise<T>): Promise<T>;
}

/** Something went wrong where a plugin does more than say yes or no. The pod is tried again after its back-off. */
export class PluginFailed extends Error {
  readonly code = 'PluginFailed';
}

export interface PluginSpec<State> {
  name: string;
  weight?: number;
  /** Where it stands among those that have the same point, where a profile says so: the lowest first. Else as in the profile. */
  rank?: Readonly<Record<string, number>>;
  reads?: readonly Kind[];
  /** Which of two waiting pods is first: below 0, the first. One plugin of a profile has this. */
  queueSort?(a: QueuedPod, b: QueuedPod): number;
  /** Whether it may be tried at all. */
  preEnqueue?(pod: Pod): Verdict;
  /**
   * SignPod: what of the pod `filter` and `score` depend on, if on nothing else but the NodeInfo; as JSON has it. Two pods with the
   * same are answered the same, and the second is not asked about again. Without it, they depend on more.
   */
  sign?(pod: Pod): unknown;
  /** PreFilter: once for each try. */
  prepare?(pod: Pod, cluster: ClusterView): Prepared<State>;
  /** Throws PluginFailed when something is wrong that concerns all nodes. */
  filter?(pod: Pod, node: NodeInfo, state: State): Verdict;
  /**
   * The same, for the node that stands there in the cluster's list, if the plugin can tell without looking at the node: what
   * costs is to look at hundreds of them. Asked in place of `filter` where nothing is tried (see `withPod`).
   */
  filterAt?(place: number, state: State): Verdict;
  /**
   * PreFilterExtensions (AddPod, RemovePod): the state as if one more pod, or one pod less, were on the node, which has been
   * changed so already. Another state: the one that is given is still needed. Without them, the state stays as it is.
   */
  withPod?(state: State, other: Pod, node: NodeInfo, pod: Pod): State;
  withoutPod?(state: State, other: Pod, node: NodeInfo, pod: Pod): State;
  /**
   * PostFilter: it fits nowhere; which pods would have to go for it, or why that does not help. undefined: nothing to say.
   * All are asked in turn until one makes room. A promise keeps all other pods waiting. Without a state it had no say before.
   */
  makeRoom?(pod: Pod, refused: FitsNowhere, state: State | undefined): MadeRoom | Promise<MadeRoom>;
  /** PreScore: once, with the nodes that are left. `skip`: no say in the score. */
  prepareScore?(pod: Pod, nodes: readonly NodeInfo[], cluster: ClusterView, state: State): State | 'skip';
  /** `place`: where the node stands in the cluster's list, if that is known: what can be told by it takes no look at the node. */
  score?(pod: Pod, node: NodeInfo, state: State, place?: number): number;
  /** Scores are brought to 0…100, the best 100; without it they are so already. */
  prefer?: 'lower' | 'higher';
  /** In place of `prefer`: brings the scores of all nodes, in their order, to 0…100, where they are. */
  normalize?(scores: Float64Array, nodes: readonly NodeInfo[], state: State): void;
  /** From here on the pod counts as placed. */
  reserve?(pod: Pod, nodeName: string, state: State): Verdict;
  /** It came to nothing after all: the pod is tried again when this is done. Must be able to follow a `reserve` that did not happen. */
  unreserve?(pod: Pod, nodeName: string, state: State): void | Promise<void>;
  /**
   * May hold the pod back for a while: a promise is waited for, no longer than 15 minutes. The signal aborts when that time is
   * over, when the pod is gone, or when it is preempted.
   */
  permit?(pod: Pod, nodeName: string, state: State, signal: AbortSignal): Verdict | Promise<Verdict>;
  /** Without it, `preBind` has something to do. Where one has, the pod's nominatedNodeName says where to. */
  preBindPreFlight?(pod: Pod, nodeName: string, state: State): PreFlight;
  /** Throws PluginFailed, and what the server said. */
  preBind?(pod: Pod, nodeName: string, services: BindingServices, state: State): Promise<Verdict>;
  /** The first that does not skip binds. Throws what the server said. */
  bind?(pod: Pod, nodeName: string, services: BindingServices): Promise<'bound' | 'skip'>;
  postBind?(pod: Pod, nodeName: string, state: State): void;
  /** Without any, every change does. */
  retryWhen?: readonly RetryHint[];
}

/** A plugin among others: what its state is, is its own affair. */
export type Plugin = PluginSpec<unknown>;

export const definePlugin = <State = undefined>(spec: PluginSpec<State>): Plugin => spec as Plugin;

const isOf = (kind: Kind, change: ClusterChange): boolean =>
  change.kind.plural === kind.plural && change.kind.group === kind.group;

/** It was created, or one of these fields has another value: `changed(Node, 'spec.taints')`. */
export const changed = (kind: Kind, ...paths: string[]): RetryHint =>
  forAnyPod((change) => {
    if (!isOf(kind, change) || !change.now) return false;
    if (!change.before) return true;
    return paths.some((path) => !isEqual(valueAt(change.now, path), valueAt(change.before, path)));
  });

/** It was there before, and one of these fields has another value now. */
export const updated = (kind: Kind, ...paths: string[]): RetryHint => {
  const hint = changed(kind, ...paths);
  return forAnyPod((change) => change.before !== undefined && hint.concerns?.(change) === true);
};

/** One of the kind is gone. */
export const removed = (kind: Kind): RetryHint => forAnyPod((change) => isOf(kind, change) && !change.now);

/** Of the changes that a hint concerns, those that could help this pod: `when(removed(Pod), (change, pod) => …)`. */
export const when = (hint: RetryHint, helps: (change: ClusterChange, pod: Pod) => boolean): RetryHint =>
  Object.assign((change: ClusterChange, pod: Pod) => hint(change, pod) && helps(change, pod), {
    concerns: (change: ClusterChange) => hint.concerns?.(change) ?? true,
  });

/** It makes no difference which pod waits. */
export const forAnyPod = (concerns: (change: ClusterChange) => boolean): RetryHint =>
  Object.assign((change: ClusterChange) => concerns(change), { concerns });

function valueAt(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}
