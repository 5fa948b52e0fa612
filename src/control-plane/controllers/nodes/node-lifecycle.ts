/**
 * Watches over nodes: one that is not heard of for the grace period is marked, tainted, and its pods are no longer ready.
 * The taints keep new pods away; the taint-eviction controller sends the others elsewhere. Source: "Nodes", node controller.
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { inParallel } from '#base/concurrency.ts';
import type { ReconcileContext } from '../define-controller.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { Heartbeats, unknownConditions } from './heartbeats.ts';
import { evictingKey, readinessOf, taintsOf } from './node-taints.ts';
import { labelsToMend } from './node-labels.ts';
import { podsOn } from './pods-on-node.ts';
import { EvictionPace, isAllDown } from './zones.ts';

const LEASES = 'kube-node-lease';
/** How often a lost node is looked at whose pods may not be sent away as things are. Source: --node-monitor-period. */
const MONITOR_EVERY_MS = 5_000;

export interface NodeLifecycleOptions {
  /** --node-monitor-grace-period: silent for so long, a node counts as lost. */
  gracePeriodMs?: number;
  /** --node-startup-grace-period: for one that never reported. */
  startupGracePeriodMs?: number;
}

const writes = { update: [Node], patch: [Node], status: [Node, Pod] } as const;
type Context = ReconcileContext<never, Kind<Node> | Kind<Pod> | Kind<Lease>, typeof writes>;

export const nodeLifecycle = ({ gracePeriodMs = 50_000, startupGracePeriodMs = 60_000 }: NodeLifecycleOptions = {}) =>
  defineController(() => {
    const heartbeats = new Heartbeats();
    const pace = new EvictionPace();
    const greeted = new Map<string, string>();
    /** Nodes as they were when nothing was left to be done for them: a lease that is renewed asks for no more then. */
    const calm = new Map<string, Node>();
    /** Lost nodes of whose pods not all are known to be told that they are not ready. */
    const unsaid = new Set<string>();

    return {
      name: 'node-lifecycle-controller',
      serviceAccount: 'node-controller',
      eventSource: 'node-controller',
      reconciles: Node,
      watches: [
        watching(Lease, ({ metadata: { name, namespace }, spec }, cached, clock) => {
          if (namespace !== LEASES) return [];
          const node = calm.get(name);
          if (!node || node !== cached(Node).get(name)) return [name];
          // It is looked at when its time would be up: one that is heard of in time, never.
          const isNews = heartbeats.note(name, spec, clock.now());
          return isNews ? [{ key: name, afterMs: gracePeriodMs }] : [];
        }),
        watching(Pod, () => []),
      ],
      writes,
      workers: 8,

      async reconcile(node, context) {
        const { events, clock, cached } = context;
        const { name, uid } = node.metadata;
        const nowMs = clock.now();
        if (greeted.get(name) !== uid) {
          events.normal(node, 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
          if (readinessOf(node) === 'Unknown') unsaid.add(name); // who was here before may have been broken off
        }
        greeted.set(name, uid);

        const heardMs = heartbeats.lastHeardMs(node, cached(Lease).get(`${LEASES}/${name}`), nowMs);
        const graceMs = readinessOf(node) === undefined ? startupGracePeriodMs : gracePeriodMs;
        const leftMs = heardMs + graceMs - nowMs;
        if (leftMs > 0 && calm.get(name) === node) return again({ afterMs: leftMs });
        const current = leftMs <= 0 ? await markUnknown(node, context) : node;
        if (readinessOf(current) === 'True') unsaid.delete(name);
        else if (readinessOf(node) === 'True') unsaid.add(name);
        const waitMs = await applyTaints(current, pace, context);
        // Once: a kubelet that says on its own account that its node is not ready speaks for its pods, too.
        if (unsaid.has(name)) await markPodsNotReady(current, context);
        unsaid.delete(name);
        // Last: who forbids labels must not keep it from seeing that the node is lost.
        const labels = labelsToMend(node);
        if (!labels && current === node && isCalm(node)) calm.set(name, node);
        if (labels) await context.api.patch(Node, { name }, { type: 'merge', patch: { metadata: { labels } } });
        const nextMs = [leftMs > 0 ? leftMs : undefined, waitMs].filter((ms) => ms !== undefined);
        return nextMs.length > 0 ? again({ afterMs: Math.max(1, Math.min(...nextMs)) }) : settled;
      },

      async gone({ key, events }) {
        heartbeats.forget(key);
        calm.delete(key);
        unsaid.delete(key);
        const uid = greeted.get(key);
        greeted.delete(key);
        const node = { apiVersion: 'v1', kind: 'Node', name: key, ...(uid && { uid }) };
        if (uid) events.normal(node, 'RemovingNode', `Node ${key} event: Removing Node ${key} from Controller`);
        return settled;
      },
    };
  });

/** Ready, with the taints that it should have. */
const isCalm = (node: Node): boolean =>
  readinessOf(node) === 'True' && isEqual(taintsOf(node, { mayEvict: false, now: '' }), node.spec.taints ?? []);

async function markUnknown(node: Node, { api, events, clock }: Context): Promise<Node> {
  const wasReady = readinessOf(node) === 'True';
  const { name } = node.metadata;
  const conditions = unknownConditions(node, clock.now());
  const marked = await api.updateStatus(node, { ...node.status, conditions });
  if (wasReady) events.normal(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
  return marked;
}

/** How long to wait before the node may be tainted for eviction, in ms; undefined: no need to. */
async function applyTaints(
  node: Node,
  pace: EvictionPace,
  { api, clock, cached }: Context,
): Promise<number | undefined> {
  const nowMs = clock.now();
  const key = evictingKey(node);
  // The other nodes matter only while this one is down: leases come by the hundred.
  const all = key ? allWith(node, cached(Node).list()) : [node];
  const isTainted = node.spec.taints?.some(({ effect, key: of }) => effect === 'NoExecute' && of === key) ?? false;
  const isWanted = key !== undefined && !isTainted;
  const waitMs = isWanted ? pace.waitMs(node, all, nowMs) : undefined;
  const wanted = taintsOf(node, { mayEvict: waitMs === 0, now: timestampOf(nowMs) });
  const taints =
    key && isAllDown(all) ? wanted.filter(({ effect, key: of }) => effect !== 'NoExecute' || of !== key) : wanted;
  if (!isEqual(taints, node.spec.taints)) {
    const { name, resourceVersion } = node.metadata;
    await api.patch(Node, { name }, { type: 'merge', patch: { metadata: { resourceVersion }, spec: { taints } } });
  }
  if (isWanted && waitMs === undefined) return MONITOR_EVERY_MS; // the other nodes decide, and may come back
  return waitMs === 0 ? undefined : waitMs;
}

/** The cache may not have the newest state of this one yet. */
const allWith = (node: Node, cached: readonly Node[]): Node[] =>
  cached.map((each) => (each.metadata.uid === node.metadata.uid ? node : each));

async function markPodsNotReady(node: Node, { api, events, cached, clock }: Context): Promise<void> {
  const pods = podsOn(node, cached).filter(isReady);
  const lastTransitionTime = timestampOf(clock.now());
  await inParallel(pods, async (pod) => {
    const conditions = pod.status?.conditions?.map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime } : condition,
    );
    if (!pod.status) return;
    await api.updateStatus(pod, { ...pod.status, conditions });
    events.warning(pod, 'NodeNotReady', 'Node is not ready');
  });
}
