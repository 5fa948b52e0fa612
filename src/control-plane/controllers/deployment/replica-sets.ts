/** The ReplicaSets of a Deployment: which is the new one, what they are called, what is noted on them. Source: deployment_util. */
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Draft } from '#client/client.ts';
import { controllerReferenceTo } from '../claim.ts';
import { hashOf, textOrder } from '../hash-of.ts';

export const POD_TEMPLATE_HASH = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
/** Belong to one object, and are not copied from the Deployment to its ReplicaSets. */
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
]);
/** From the Deployment to its ReplicaSets. */
export const isCopied = (annotation: string): boolean => !NOT_COPIED.has(annotation);
const MOST_HISTORY_CHARACTERS = 2000;

/** Oldest first; those of the same second by name. */
export const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  textOrder(a.metadata.creationTimestamp, b.metadata.creationTimestamp) || textOrder(a.metadata.name, b.metadata.name);

/** The oldest whose template is the Deployment's. */
export const newReplicaSetOf = (deployment: Deployment, all: readonly ReplicaSet[]): ReplicaSet | undefined =>
  [...all].sort(byAge).find((rs) => hasTemplate(rs, deployment.spec.template));

export const hasTemplate = (rs: ReplicaSet, template: PodTemplateSpec): boolean =>
  isEqual(withoutHash(rs.spec.template), withoutHash(template));

/** An absent map of labels and an empty one are the same. */
function withoutHash(template: PodTemplateSpec): unknown {
  const { metadata = {}, spec } = template;
  const { [POD_TEMPLATE_HASH]: _, ...labels } = metadata.labels ?? {};
  const { creationTimestamp: __, ...rest } = metadata as Record<string, unknown>;
  return { metadata: { ...rest, labels, annotations: metadata.annotations ?? {} }, spec };
}

export const revisionOf = ({ metadata }: ReplicaSet | Deployment): bigint =>
  revisionIn(metadata.annotations?.[REVISION]) ?? 0n;

/** Behind the last int64 comes the first, as in Go: no ReplicaSet gets that one. */
export function nextRevision(old: readonly ReplicaSet[]): bigint {
  let last = 0n;
  for (const revision of old.map(revisionOf)) if (revision > last) last = revision;
  return BigInt.asIntN(64, last + 1n);
}

/** What Go takes for an int64: from 2^53 on a number cannot tell a revision from the next. */
export function revisionIn(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?\d{1,19}$/.test(text)) return undefined;
  const revision = BigInt(text);
  return BigInt.asIntN(64, revision) === revision ? revision : undefined;
}

/** For sorting, the oldest first. */
export const revisionOrder = (a: ReplicaSet, b: ReplicaSet): number => {
  const [one, other] = [revisionOf(a), revisionOf(b)];
  return one < other ? -1 : Number(one > other);
};

export const desiredReplicasOf = ({ metadata }: ReplicaSet): number | undefined =>
  wholeOf(metadata.annotations?.[DESIRED_REPLICAS]);
export const maxReplicasOf = ({ metadata }: ReplicaSet): number | undefined =>
  wholeOf(metadata.annotations?.[MAX_REPLICAS]);

const wholeOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;

/** A name that is the same for the same template, so that two controllers, or a second try, make the same ReplicaSet. */
export function draftOf(deployment: Deployment): Draft<ReplicaSet> & { metadata: { name: string } } {
  const { template, selector, minReadySeconds } = deployment.spec;
  const hash = hashOf(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  const { namespace, name } = deployment.metadata;
  return {
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace && { namespace }),
      labels,
      ownerReferences: [controllerReferenceTo(deployment)],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds !== undefined && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

export interface Sizes {
  desired: number;
  /** With the surge. */
  max: number;
}

/** What the new ReplicaSet should carry: the Deployment's own annotations, its revision, and the ones it had before. */
export function annotationsOf(
  deployment: Deployment,
  rs: Pick<ReplicaSet, never> & { metadata: { annotations?: Record<string, string> } },
  { revision, sizes }: { revision: bigint; sizes?: Sizes },
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => isCopied(name));
  const annotations: Record<string, string> = { ...rs.metadata.annotations, ...Object.fromEntries(copied) };
  const before = annotations[REVISION];
  if ((revisionIn(before) ?? 0n) < revision) {
    annotations[REVISION] = String(revision);
    if (before !== undefined) annotations[REVISION_HISTORY] = withHistory(annotations[REVISION_HISTORY], before);
  }
  return sizes ? { ...annotations, ...sizeAnnotations(sizes) } : annotations;
}

export const sizeAnnotations = ({ desired, max }: Sizes): Record<string, string> => ({
  [DESIRED_REPLICAS]: String(desired),
  [MAX_REPLICAS]: String(max),
});

function withHistory(history: string | undefined, revision: string): string {
  const revisions = history ? history.split(',') : [];
  while (revisions.length > 0 && [...revisions, revision].join(',').length > MOST_HISTORY_CHARACTERS) revisions.shift();
  return [...revisions, revision].join(',');
}

/** Those beyond the limit, oldest revision first, that hold nothing any more. */
export function tooOld(old: readonly ReplicaSet[], limit: number): ReplicaSet[] {
  const candidates = old.filter(({ metadata }) => !metadata.deletionTimestamp);
  const surplus = Math.max(0, candidates.length - limit);
  const isEmpty = ({ spec, status, metadata }: ReplicaSet) =>
    (status?.replicas ?? 0) === 0 &&
    spec.replicas === 0 &&
    (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0);
  return [...candidates]
    .sort((a, b) => revisionOrder(a, b) || byAge(a, b))
    .slice(0, surplus)
    .filter(isEmpty);
}
