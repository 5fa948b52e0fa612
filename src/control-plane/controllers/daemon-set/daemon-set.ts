/** Keeps one pod on each node that fits, and brings them from one template to the next. */
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { DaemonSet } from '#api/apps/v1/daemon-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isAvailable, isReady, isTerminal } from '#api/core/v1/pod-conditions.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { dropOldRevisions, type History, hashLabelOf, historyOf, REVISION_HASH } from '../controller-revisions.ts';
import {
  again,
  defineController,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';
import { createPods, deletePods, isNamespaceGoing } from '../pod-writes.ts';
import { nextAvailableInMs } from '../replica-set-pods.ts';
import { fitter, nodeOf, podFor } from './daemon-pods.ts';
import { FailedPods } from './failed-pods.ts';
import { limitsOf, rollingUpdate } from './rolling-update.ts';
import { byPlaceAndAge, type PlacedNode, statusOf } from './status.ts';

const writes = {
  create: [Pod, ControllerRevision],
  update: [ControllerRevision],
  delete: [Pod, ControllerRevision],
  patch: [Pod, ControllerRevision],
  status: [DaemonSet],
} as const;
type Context = ReconcileContext<
  Kind<Pod> | Kind<ControllerRevision>,
  Kind<DaemonSet> | Kind<Pod> | Kind<ControllerRevision> | Kind<Node>,
  typeof writes
>;

/** Of one step. Source: kube-controller-manager, BurstReplicas. */
const MOST_AT_ONCE = 250;

const concernsDaemons = (now: Node, before: Node): boolean =>
  !isEqual(now.metadata.labels, before.metadata.labels) || !isEqual(now.spec.taints, before.spec.taints);

/** Before a change or after it: what fits neither time does not matter. */
const isFor = (set: DaemonSet, node: Node): boolean => {
  const { shouldRun, shouldStay } = fitter(set)(node);
  return shouldRun || shouldStay;
};

export const daemonSetController = defineController(() => {
  const failures = new FailedPods();
  return {
    name: 'daemonset-controller',
    serviceAccount: 'daemon-set-controller',
    reconciles: DaemonSet,
    owns: [Pod, ControllerRevision],
    watches: [
      watching(
        Node,
        (node, cached) =>
          cached(DaemonSet)
            .list()
            .filter((set) => isFor(set, node))
            .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
        concernsDaemons,
      ),
    ],
    writes,
    also: [{ verbs: ['create'], apiGroups: [''], resources: ['pods/binding'] }],
    selectorOf: (set: DaemonSet) => set.spec.selector,

    async reconcile(set, context) {
      if (set.metadata.deletionTimestamp) return settled;
      const { selector } = set.spec;
      if (!selector.matchExpressions?.length && Object.keys(selector.matchLabels ?? {}).length === 0) {
        const text = 'This daemon set is selecting all pods. A non-empty selector is required.';
        context.events.warning(set, 'SelectingAll', text);
        return settled;
      }
      const pods = await context.claim(Pod);
      context.weighs(pods.length);
      const revisions = await context.claim(ControllerRevision);
      const history = await historyOf(set, { revisions, hashLabel: REVISION_HASH }, context.api);
      return new Step(set, { pods, history, failures, context }).run();
    },
  };
});

interface Parts {
  pods: readonly Pod[];
  history: History;
  failures: FailedPods;
  context: Context;
}

class Step {
  readonly #set: DaemonSet;
  readonly #pods: readonly Pod[];
  readonly #history: History;
  readonly #failures: FailedPods;
  readonly #context: Context;
  readonly #nowMs: number;
  #waitMs: number | undefined;

  constructor(set: DaemonSet, { pods, history, failures, context }: Parts) {
    this.#set = set;
    this.#pods = pods;
    this.#history = history;
    this.#failures = failures;
    this.#context = context;
    this.#nowMs = context.clock.now();
  }

  async run(): Promise<Outcome> {
    const podsOn = this.#podsByNode();
    const fitOn = fitter(this.#set);
    const nodes = this.#context
      .cached(Node)
      .list()
      .map((node): PlacedNode => {
        const { name } = node.metadata;
        return { name, pods: podsOn.get(name) ?? [], ...fitOn(node) };
      });
    const { create, remove } = this.#place(nodes, podsOn);
    let failure = await this.#change(create, remove);
    if (!failure && this.#set.spec.updateStrategy.type === 'RollingUpdate') {
      const hash = hashLabelOf(this.#history.current);
      const shouldRunOn = new Set(nodes.filter(({ shouldRun }) => shouldRun).map(({ name }) => name));
      for (const name of shouldRunOn) if (!podsOn.has(name)) podsOn.set(name, []);
      const update = rollingUpdate(this.#set, { hash, podsOn, shouldRunOn, nowMs: this.#nowMs });
      // What was just created or deleted is not in the caches yet: one thing after the other.
      if (create.length + remove.length === 0) failure = await this.#change(update.surgeOn, update.remove);
    }
    const live = new Set(this.#pods.map(hashLabelOf));
    const isLive = (revision: ControllerRevision) => live.has(hashLabelOf(revision));
    await dropOldRevisions(this.#set, { history: this.#history, isLive, liveCount: true }, this.#context.api);
    const status = statusOf(this.#set, { nodes, history: this.#history, nowMs: this.#nowMs });
    await this.#context.api.updateStatus(this.#set, status);
    if (failure && !isNamespaceGoing(failure)) throw failure;
    return this.#next();
  }

  /** Without those that have ended and are only about to vanish. */
  #podsByNode(): Map<string, Pod[]> {
    const podsOn = new Map<string, Pod[]>();
    for (const pod of this.#pods) {
      if (isTerminal(pod) && pod.metadata.deletionTimestamp) continue;
      const node = nodeOf(pod);
      const there = podsOn.get(node);
      if (there) there.push(pod);
      else podsOn.set(node, [pod]);
    }
    return podsOn;
  }

  #place(nodes: readonly PlacedNode[], podsOn: ReadonlyMap<string, Pod[]>) {
    const create: string[] = [];
    const remove: Pod[] = [];
    const surges = this.#set.spec.updateStrategy.type === 'RollingUpdate' && limitsOf(this.#set, 1).surge > 0;
    for (const { name, pods, shouldRun, shouldStay } of nodes) {
      if (shouldRun && pods.length === 0) create.push(name);
      else if (shouldStay) {
        remove.push(...pods.filter((pod) => !pod.metadata.deletionTimestamp && this.#makesRoom(name, pod)));
        const active = pods.filter(isActive).sort(byPlaceAndAge);
        if (surges && shouldRun && active.length === 0) create.push(name);
        remove.push(...(surges ? this.#replaced(active) : active.slice(1)));
      } else remove.push(...pods.filter(({ metadata }) => !metadata.deletionTimestamp));
    }
    const known = new Set(nodes.map(({ name }) => name));
    for (const [node, pods] of podsOn)
      if (!known.has(node)) remove.push(...pods.filter((pod) => !pod.metadata.deletionTimestamp && !pod.spec.nodeName));
    return { create, remove };
  }

  /** Of those on one node, the oldest first: all but the oldest of either template, and of these the old one when it may go. */
  #replaced(active: readonly Pod[]): Pod[] {
    if (active.length <= 1) return [];
    const hash = hashLabelOf(this.#history.current);
    const [next, ...moreNew] = active.filter((pod) => hashLabelOf(pod) === hash);
    const [old, ...moreOld] = active.filter((pod) => hashLabelOf(pod) !== hash);
    const minReadySeconds = this.#set.spec.minReadySeconds ?? 0;
    const mayGo = next && old && (!isReady(old) || isAvailable(next, minReadySeconds, this.#nowMs));
    return [...moreNew, ...moreOld, ...(mayGo ? [old] : [])];
  }

  #makesRoom(node: string, pod: Pod): boolean {
    const { events, random } = this.#context;
    const { namespace, name } = pod.metadata;
    if (pod.status?.phase === 'Succeeded') {
      const text = `Found succeeded daemon pod ${namespace}/${name} on node ${node}, will try to delete it`;
      events.normal(this.#set, 'SucceededDaemonPod', text);
      return true;
    }
    if (pod.status?.phase !== 'Failed') return false;
    // A new template begins anew.
    const key = `${this.#set.metadata.uid}/${this.#set.status?.observedGeneration ?? 0}/${node}`;
    const waitMs = this.#failures.waitMs(key, { nowMs: this.#nowMs, random });
    if (waitMs > 0) {
      this.#waitMs = Math.min(this.#waitMs ?? waitMs, waitMs);
      return false;
    }
    const text = `Found failed daemon pod ${namespace}/${name} on node ${node}, will try to kill it`;
    events.warning(this.#set, 'FailedDaemonPod', text);
    return true;
  }

  async #change(create: readonly string[], remove: readonly Pod[]): Promise<unknown> {
    const hash = hashLabelOf(this.#history.current);
    const drafts = create.slice(0, MOST_AT_ONCE).map((node) => podFor(this.#set, { node, hash }));
    const created = await createPods(this.#set, drafts, this.#context);
    const deleted = await deletePods(this.#set, remove.slice(0, MOST_AT_ONCE), this.#context);
    return created.error ?? deleted.error;
  }

  #next(): Outcome {
    const availableMs = nextAvailableInMs(
      this.#pods.filter(isActive),
      this.#set.spec.minReadySeconds ?? 0,
      this.#nowMs,
    );
    const afterMs = Math.min(availableMs ?? Number.POSITIVE_INFINITY, this.#waitMs ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(afterMs) ? again({ afterMs }) : settled;
  }
}
