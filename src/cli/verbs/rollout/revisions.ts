/** The revisions of a workload: ReplicaSets of a Deployment, ControllerRevisions of the others. */
import { facts } from '#api/generated/facts.ts';
import type { ControllerRevision, PodTemplateSpec, ReplicaSet } from '#api/generated/schema.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';
import type { ObjectMeta } from '#api/machinery/object.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { bigintOrder, int64In } from '../integers.ts';
import { pathOf } from '../served-resources.ts';
import type { Target } from '../targets.ts';
import type { VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';

export interface Revision {
  number: bigint;
  changeCause: string;
  template: PodTemplateSpec;
  /** Of the ReplicaSet or ControllerRevision that keeps it. */
  annotations: Readonly<Record<string, string>>;
  /** The ReplicaSet; of others the workload itself as it was. */
  object: object;
  /** What a ControllerRevision holds: the patch that leads back to it. */
  patch?: JsonObject;
}

export const REVISION = 'deployment.kubernetes.io/revision';
const CHANGE_CAUSE = 'kubernetes.io/change-cause';

/** Kinds that kubectl knows to have pods. */
const WITHOUT_HISTORY = new Set(['batch/Job', 'batch/CronJob', '/Pod', '/ReplicationController', 'apps/ReplicaSet']);

/** Oldest first. Throws VerbError for kinds that have none; `sought` is what is said to be missing then. */
export async function revisionsOf(
  call: VerbCall,
  target: Target,
  sought: 'history' | 'rollbacker',
): Promise<Revision[]> {
  const { group, kind } = target.resource;
  if (group === 'apps' && kind === 'Deployment') return ofDeployment(call, target);
  if (group === 'apps' && (kind === 'DaemonSet' || kind === 'StatefulSet')) return ofControllerRevisions(call, target);
  const named = JSON.stringify(group ? `${kind}.${group}` : kind);
  if (WITHOUT_HISTORY.has(`${group}/${kind}`))
    throw new VerbError(
      `no ${sought === 'history' ? 'history viewer' : 'rollbacker'} has been implemented for ${named}`,
    );
  throw new VerbError(`error retrieving ${sought} for ${named}, no visitor method exists for {${group} ${kind}}`);
}

/** Of a Deployment, or of a ReplicaSet of one. */
export const revisionIn = (annotations: Readonly<Record<string, string>> = {}): bigint =>
  int64In(annotations[REVISION] ?? '0') ?? 0n;

async function ofDeployment(call: VerbCall, target: Target): Promise<Revision[]> {
  const sets = await owned<ReplicaSet>(call, target, 'replicasets.apps');
  const all = sets.map((set): Revision => {
    const { metadata, spec } = set;
    const annotations = metadata.annotations ?? {};
    const changeCause = annotations[CHANGE_CAUSE] ?? '';
    const template = spec.template as PodTemplateSpec;
    const object = { kind: 'ReplicaSet', apiVersion: 'apps/v1', metadata, spec, status: set.status };
    return { number: revisionIn(annotations), changeCause, template, annotations, object };
  });
  return all.sort((a, b) => bigintOrder(a.number, b.number));
}

async function ofControllerRevisions(call: VerbCall, target: Target): Promise<Revision[]> {
  const histories = await owned<ControllerRevision>(call, target, 'controllerrevisions.apps');
  const { version, kind } = target.resource;
  const type = facts.typeOfKind('apps', version, kind);
  const all = histories.map(({ metadata, revision, data }): Revision => {
    const patch = data as unknown as JsonObject;
    const object = applyStrategicMergePatch(target.object as JsonObject, patch, { facts, type });
    const { template } = (object as unknown as { spec: { template: PodTemplateSpec } }).spec;
    const annotations = metadata.annotations ?? {};
    return {
      number: BigInt(revision),
      changeCause: annotations[CHANGE_CAUSE] ?? '',
      template,
      annotations,
      object,
      patch,
    };
  });
  return all.sort((a, b) => bigintOrder(a.number, b.number));
}

async function owned<T extends { metadata: ObjectMeta }>(
  { cluster }: VerbCall,
  target: Target,
  type: string,
): Promise<T[]> {
  const { metadata, spec } = target.object as { metadata: ObjectMeta; spec: { selector: object } };
  const resource = (await cluster.resources()).named(type);
  const labelSelector = formatSelector(selectorFrom(spec.selector));
  const path = pathOf(resource, { namespace: target.namespace, query: { labelSelector } });
  const { items } = await cluster.get<{ items: T[] }>(path);
  return items.filter((item) =>
    (item.metadata.ownerReferences ?? []).some(({ uid, controller }) => controller && uid === metadata.uid),
  );
}
