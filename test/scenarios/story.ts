/**
 * A cluster as an operator has it, and what it told: the Events in the order of their times, with the parts of names that are
 * drawn by chance left out. What a story should tell stands in its test; `vitest -u` writes it anew, to be read as a diff.
 */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { bodies, catalog } from '#api/catalog.ts';
import { Event } from '#api/core/v1/event.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import type { Transport } from '#client/transport.ts';
import { metricsOver } from '#control-plane/controllers/horizontal-pod-autoscaler/metrics-source.ts';
import { scalesOver } from '#control-plane/controllers/horizontal-pod-autoscaler/scales.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { serviceAccountUser } from '#control-plane/controllers/start-controllers.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';

/** Every controller and the scheduler, each under its own rights. Nobody serves metrics. */
export async function wholeCluster(nodes: number): Promise<TestCluster> {
  let cluster: TestCluster | undefined;
  const own = (): Transport => (cluster as TestCluster).transportFor(AUTOSCALER);
  const transport: Transport = {
    request: (request) => own().request(request),
    watch: (request) => own().watch(request),
  };
  const autoscaler = { metrics: metricsOver(transport, KINDS), scales: scalesOver(transport, KINDS) };
  const controllers = controllersFor({ autoscaler });
  cluster = await startCluster({ controllers, scheduler: true, rbac: true, simulatedNodes: nodes });
  return cluster;
}

const KINDS = createKindRegistry(catalog, bodies);
const AUTOSCALER = serviceAccountUser('system:serviceaccount:kube-system:horizontal-pod-autoscaler');

/** Of these reasons, or all. Times are seconds since `sinceMs`. */
export function told(
  cluster: TestCluster,
  { sinceMs, reasons }: { sinceMs: number; reasons?: readonly string[] },
): string {
  const lines = new Map<string, number>();
  for (const event of eventsOf(cluster)) {
    const { reason = '', message = '', involvedObject, series, count = 1 } = event;
    const atMs = beganMs(event);
    if (atMs < sinceMs || (reasons && !reasons.includes(reason))) continue;
    const who = `${involvedObject.kind} ${named(cluster, involvedObject.name ?? '')}`;
    const line = `${String((atMs - sinceMs) / 1000).padStart(4)}s  ${who}: ${reason}: ${named(cluster, message)}`;
    lines.set(line, (lines.get(line) ?? 0) + (series?.count ?? count));
  }
  return [...lines].map(([line, count]) => (count > 1 ? `${line} (${count} times)` : line)).join('\n');
}

/** What is told of different objects at one moment has no order of its own: it stands in that of their names. */
function eventsOf(cluster: TestCluster): Event[] {
  const order = ({ involvedObject: { kind, name = '' }, metadata }: Event): string =>
    `${kind} ${named(cluster, name)} ${metadata.name.split('.').at(-1)}`;
  return [...cluster.list(Event)].sort((a, b) => beganMs(a) - beganMs(b) || order(a).localeCompare(order(b)));
}
const beganMs = ({ firstTimestamp, eventTime }: Event): number => millisOf(firstTimestamp ?? eventTime) ?? 0;

/** ReplicaSets of a Deployment are called A, B, C as they came, pods `web-A-*`. */
function named(cluster: TestCluster, text: string): string {
  const sets = [...cluster.list(ReplicaSet)].sort((a, b) => age(a).localeCompare(age(b)));
  let result = text;
  for (const [index, { metadata }] of sets.entries()) {
    const { name, labels } = metadata;
    const hash = labels?.['pod-template-hash'];
    const short = hash ? name.replace(hash, String.fromCharCode(65 + index)) : name;
    result = result.replaceAll(new RegExp(`\\b${name}-[a-z0-9]{5}\\b`, 'g'), `${short}-*`);
    result = result.replaceAll(new RegExp(`\\b${name}\\b(?!-)`, 'g'), short);
  }
  return result;
}

const age = ({ metadata }: ReplicaSet): string => `${metadata.creationTimestamp} ${metadata.name}`;

/** `Available=True (MinimumReplicasAvailable): Deployment has minimum availability.` */
export const conditionsOf = (cluster: TestCluster, { status }: { status?: { conditions?: readonly Said[] } }): string =>
  [...(status?.conditions ?? [])]
    .sort((a, b) => a.type.localeCompare(b.type))
    .map(({ type, status: is, reason, message = '' }) => `${type}=${is} (${reason}): ${named(cluster, message)}`)
    .join('\n');

interface Said {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}
