/**
 * The history of a DaemonSet or StatefulSet: a ControllerRevision for each template that it had. `kubectl rollout undo`
 * patches one of them back. Source: ControllerRevision in the API reference; pkg/controller/history.
 */
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import type { PodTemplateSpec } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { inParallel } from '#base/concurrency.ts';
import { controllerReferenceTo } from './claim.ts';
import type { Api } from './define-controller.ts';
import { hashOf, textOrder } from './hash-of.ts';

/** On pods and revisions: which template they are of. */
export const REVISION_HASH = 'controller-revision-hash';
/** On revisions of StatefulSets. */
export const DATA_HASH = 'controller.kubernetes.io/hash';

export const revisionWrites = [ControllerRevision] as const;
type RevisionApi = Pick<
  Api<
    typeof ControllerRevision,
    { create: typeof revisionWrites; update: typeof revisionWrites; delete: typeof revisionWrites }
  >,
  'create' | 'update' | 'delete' | 'get'
>;

export interface Revised extends KubeObject {
  spec: { template: PodTemplateSpec; revisionHistoryLimit: number };
  status?: { collisionCount?: number };
}

export interface History {
  current: ControllerRevision;
  /** By revision, the current one last. */
  all: readonly ControllerRevision[];
  /** Counts up when a name is taken by another template. */
  collisionCount: number | undefined;
}

export const hashLabelOf = ({ metadata }: KubeObject): string => metadata.labels?.[REVISION_HASH] ?? '';

interface Known {
  /** The owner's. */
  revisions: readonly ControllerRevision[];
  /** Where a revision says the hash of its template. */
  hashLabel: string;
}

/** Makes sure that the present template has a revision, and that it is the newest. */
export async function historyOf(owner: Revised, { revisions, hashLabel }: Known, api: RevisionApi): Promise<History> {
  const sorted = [...revisions].sort((a, b) => a.revision - b.revision);
  const data = dataOf(owner);
  const same = sorted.filter((revision) => isEqual(revision.data, data)).at(-1);
  const newest = sorted.at(-1)?.revision ?? 0;
  const collisionCount = owner.status?.collisionCount;
  if (same?.revision === newest && same) return { current: same, all: sorted, collisionCount };
  if (same) {
    const current = await api.update(ControllerRevision, { ...same, revision: newest + 1 });
    return { current, all: [...sorted.filter((each) => each !== same), current], collisionCount };
  }
  const made = await create(owner, { data, revision: newest + 1, hashLabel }, api);
  return { ...made, all: [...sorted, made.current] };
}

/** What a strategic merge patch needs to bring the template back. */
const dataOf = ({ spec }: Revised) => ({ spec: { template: { ...spec.template, $patch: 'replace' } } });

/** Fields by their names: upstream's programs tell by the bytes whether a template is that of a revision. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => textOrder(a, b));
  return Object.fromEntries(fields.map(([name, field]) => [name, inOrder(field)]));
}

async function create(
  owner: Revised,
  { data, revision, hashLabel }: { data: object; revision: number; hashLabel: string },
  api: RevisionApi,
): Promise<Omit<History, 'all'>> {
  const { name, namespace = '', annotations } = owner.metadata; // the cause of the change is among them
  let { collisionCount } = owner.status ?? {};
  for (;;) {
    const hash = hashOf(data, collisionCount);
    const metadata = {
      name: `${name}-${hash}`,
      namespace,
      labels: { ...owner.spec.template.metadata?.labels, [hashLabel]: hash },
      ...(annotations && { annotations }),
      ownerReferences: [controllerReferenceTo(owner)],
    };
    try {
      const current = await api.create(ControllerRevision, { metadata, data: inOrder(data) as object, revision });
      return { current, collisionCount };
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      const other = await api.get(ControllerRevision, { name: metadata.name, namespace });
      if (isEqual(other.data, data)) return { current: other, collisionCount };
      collisionCount = (collisionCount ?? 0) + 1;
    }
  }
}

interface Surplus {
  history: History;
  /** Some pod is of it. */
  isLive(revision: ControllerRevision): boolean;
  /** Those that pods are of take of the limit, too. */
  liveCount?: boolean;
}

/** Deletes the oldest beyond the limit that no pod is of; a negative limit keeps all. */
export async function dropOldRevisions(
  owner: Revised,
  { history, isLive, liveCount = false }: Surplus,
  api: RevisionApi,
): Promise<void> {
  if (owner.spec.revisionHistoryLimit < 0) return;
  const old = history.all.filter((each) => each !== history.current);
  const idle = old.filter((each) => !isLive(each));
  const surplus = Math.max(0, (liveCount ? old : idle).length - owner.spec.revisionHistoryLimit);
  await inParallel(idle.slice(0, surplus), (revision) => api.delete(ControllerRevision, revision));
}
