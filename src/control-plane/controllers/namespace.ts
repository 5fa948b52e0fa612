/**
 * Empties a namespace that is being deleted: the pods first, since they may use the rest, then everything else of every
 * served kind. When nothing is left the finalizer goes, and with it the namespace. Source: namespaced_resources_deleter.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { NamespaceCondition } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import type { AnyKindApi, AnyKindChange, AnyKindContext, AnyObjectRef, Outcome } from './define-controller.ts';
import { again, anyKind, defineController, settled } from './define-controller.ts';
import { NotYet } from './errors.ts';

const FINALIZER = 'kubernetes';
/** How long finalizers of others are thought to take. */
const FINALIZERS_SECONDS = 15;

const isNamespace = ({ group, plural }: Kind): boolean => group === '' && plural === 'namespaces';
const isPods = ({ group, plural }: Kind): boolean => group === '' && plural === 'pods';
const isContent = ({ scope, verbs, hub }: Kind): boolean =>
  scope === 'Namespaced' && !hub && verbs.includes('delete') && verbs.includes('list');
const isFollowed = (kind: Kind): boolean => isContent(kind) && kind.verbs.includes('watch') && kind.plural !== 'events';

export const namespaceController = defineController({
  name: 'namespace-controller',
  reconciles: anyKind,
  follows: (kind) => isNamespace(kind) || isFollowed(kind),
  wholes: isNamespace,
  workers: 10,
  also: [
    { apiGroups: [''], resources: ['namespaces'], verbs: ['delete', 'get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['namespaces/finalize', 'namespaces/status'], verbs: ['update'] },
    { apiGroups: ['*'], resources: ['*'], verbs: ['delete', 'deletecollection', 'get', 'list', 'watch'] },
  ],

  *affects({ kind, key, now, before }: AnyKindChange, { kinds, cached }): Iterable<AnyObjectRef> {
    if (isNamespace(kind)) {
      if (now?.metadata.deletionTimestamp) yield { kind, key };
      return;
    }
    if (now) return;
    const { namespace = '' } = before?.metadata ?? {};
    const namespaces = kinds.byResource('', 'v1', 'namespaces');
    // Something has gone from a namespace that waits for that.
    if (namespaces && cached(namespaces)?.get(namespace)?.metadata.deletionTimestamp)
      yield { kind: namespaces, key: namespace };
  },

  async reconcile(_, object, context): Promise<Outcome> {
    const namespace = object as Namespace | undefined;
    if (!namespace?.metadata.deletionTimestamp) return settled;
    if (!namespace.spec.finalizers?.includes(FINALIZER)) return settled;
    const unavailable = context.kinds.unavailable?.() ?? [];
    const found = await empty(namespace, unavailable, context);
    const noted = await note(namespace, found, context);
    const problems = [...found.failures, ...(unavailable.length > 0 ? [problemOf(unavailable)] : [])];
    if (problems.length > 0) throw new NotYet(problems.join('; '));
    if (found.remaining.length > 0) return again({ afterMs: found.waitMs });
    await finalize(noted, context.api);
    return settled;
  },
});

interface Found {
  /** What these hold cannot be told. */
  unavailable: readonly GroupVersion[];
  /** Sorted by resource. */
  remaining: { kind: Kind; objects: readonly KubeObject[] }[];
  failures: string[];
  waitMs: number;
}

type GroupVersion = { group: string; version: string };

async function empty(
  { metadata }: Namespace,
  unavailable: readonly GroupVersion[],
  { api, kinds, clock }: AnyKindContext,
): Promise<Found> {
  const place = { namespace: metadata.name, goingMs: clock.now() - (millisOf(metadata.deletionTimestamp) ?? 0), api };
  const isOut = (kind: Kind) =>
    unavailable.some(({ group, version }) => group === kind.group && version === kind.version);
  const content = kinds.all().filter((kind) => isContent(kind) && !isOut(kind));
  const pods = { ...(await emptyOf(content.filter(isPods), place)), unavailable };
  if (pods.remaining.length > 0 || pods.failures.length > 0) return pods;
  const others = content.filter((kind) => !isPods(kind));
  return { ...(await emptyOf(others, place)), unavailable };
}

interface Place {
  namespace: string;
  /** For so long it has been told to go. */
  goingMs: number;
  api: AnyKindApi;
}

async function emptyOf(kinds: readonly Kind[], place: Place): Promise<Found> {
  const found: Found = { unavailable: [], remaining: [], failures: [], waitMs: 0 };
  for (const kind of kinds) {
    try {
      const { objects, graceSeconds } = await emptied(kind, place);
      if (objects.length === 0) continue;
      found.remaining.push({ kind, objects });
      const seconds =
        graceSeconds || (objects.some(({ metadata }) => metadata.finalizers?.length) ? FINALIZERS_SECONDS : 0);
      if (seconds > 0) found.waitMs = Math.max(found.waitMs, waitFor(seconds));
      else found.failures.push(unexpected(kind, place));
    } catch (error) {
      if (hasReason(error, 'NotFound', 'MethodNotAllowed')) continue; // no longer served
      if (!(error instanceof StatusError)) throw error;
      found.failures.push(error.message);
    }
  }
  found.failures.sort();
  return found;
}

/** What is still there afterwards, and for how long some of it may be. */
async function emptied(kind: Kind, place: Place): Promise<{ objects: readonly KubeObject[]; graceSeconds: number }> {
  const { namespace, api } = place;
  const before = await api.list(kind, { namespace });
  if (before.length === 0) return { objects: [], graceSeconds: 0 };
  const graceSeconds = isPods(kind) ? graceLeft(before as readonly Pod[], place) : 0;
  if (kind.verbs.includes('deletecollection')) await api.deleteCollection(kind, { namespace });
  else for (const { metadata } of before) await deleteOne(kind, metadata, api);
  return { objects: await api.list(kind, { namespace }), graceSeconds };
}

/** The longest that any of them may take, as long as it is not over. */
function graceLeft(pods: readonly Pod[], { goingMs }: Place): number {
  const seconds = pods.filter((pod) => !isTerminal(pod)).map(({ spec }) => spec.terminationGracePeriodSeconds ?? 0);
  const longest = Math.max(0, ...seconds);
  return goingMs < longest * 1000 ? longest : 0;
}

/** Neither a grace period nor a finalizer says why it is there. */
const unexpected = ({ group, version, plural }: Kind, { namespace }: Place): string =>
  `unexpected items still remain in namespace: ${namespace} for gvr: ${group}/${version}, Resource=${plural}`;

async function deleteOne(kind: Kind, { name, namespace }: KubeObject['metadata'], api: AnyKindApi): Promise<void> {
  try {
    await api.delete(kind, { name, ...(namespace && { namespace }) }, { propagationPolicy: 'Background' });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

/** Half of it, and a second. */
const waitFor = (seconds: number): number => (Math.floor(seconds / 2) + 1) * 1000;

async function note(namespace: Namespace, found: Found, { api, clock }: AnyKindContext): Promise<Namespace> {
  const now = timestampOf(clock.now());
  const known = namespace.status?.conditions ?? [];
  const said = conditionsOf(found).map((condition) => {
    const before = known.find(({ type }) => type === condition.type);
    const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
    return { ...condition, lastTransitionTime };
  });
  const of = ({ type }: NamespaceCondition) => said.find((condition) => condition.type === type);
  const added = said.filter(({ type }) => !known.some((condition) => condition.type === type));
  const conditions = [...known.map((condition) => of(condition) ?? condition), ...added];
  const status = { ...namespace.status, phase: 'Terminating' as const, conditions };
  if (isEqual(status, namespace.status)) return namespace;
  return (await api.update(Namespace, { ...namespace, status } as KubeObject, 'status')) as Namespace;
}

/** As client-go tells of groups that discovery could not ask. */
function problemOf(unavailable: readonly GroupVersion[]): string {
  const names = unavailable.map(({ group, version }) => (group ? `${group}/${version}` : version)).sort();
  const texts = names.map((name) => `${name}: stale GroupVersion discovery: ${name}`);
  return `unable to retrieve the complete list of server APIs: ${texts.join(', ')}`;
}

function conditionsOf({ unavailable, remaining, failures }: Found): NamespaceCondition[] {
  const nameOf = ({ plural, group }: Kind) => `${plural}.${group}`;
  const counts = remaining
    .map(({ kind, objects }) => `${nameOf(kind)} has ${objects.length} resource instances`)
    .sort();
  const finalizers = new Map<string, number>();
  for (const { metadata } of remaining.flatMap(({ objects }) => objects))
    for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
  const byFinalizer = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).sort();
  const bad = (reason: string, message: string) => ({ status: 'True', reason, message });
  const good = (reason: string, message: string) => ({ status: 'False', reason, message });
  return [
    {
      type: 'NamespaceDeletionDiscoveryFailure',
      ...(unavailable.length > 0
        ? bad(
            'DiscoveryFailed',
            `Discovery failed for some groups, ${unavailable.length} failing: ${problemOf(unavailable)}`,
          )
        : good('ResourcesDiscovered', 'All resources successfully discovered')),
    },
    {
      type: 'NamespaceDeletionGroupVersionParsingFailure',
      ...good('ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    },
    {
      type: 'NamespaceDeletionContentFailure',
      ...(failures.length > 0
        ? bad(
            'ContentDeletionFailed',
            `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`,
          )
        : good('ContentDeleted', 'All content successfully deleted, may be waiting on finalization')),
    },
    {
      type: 'NamespaceContentRemaining',
      ...(counts.length > 0
        ? bad('SomeResourcesRemain', `Some resources are remaining: ${counts.join(', ')}`)
        : good('ContentRemoved', 'All content successfully removed')),
    },
    {
      type: 'NamespaceFinalizersRemaining',
      ...(byFinalizer.length > 0
        ? bad(
            'SomeFinalizersRemain',
            `Some content in the namespace has finalizers remaining: ${byFinalizer.join(', ')}`,
          )
        : good('ContentHasNoFinalizers', 'All content-preserving finalizers finished')),
    },
  ];
}

async function finalize(namespace: Namespace, api: AnyKindApi): Promise<void> {
  const finalizers = (namespace.spec.finalizers ?? []).filter((name) => name !== FINALIZER).sort();
  const finalized = { ...namespace, spec: { ...namespace.spec, finalizers } };
  try {
    await api.update(Namespace, finalized, 'finalize');
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
