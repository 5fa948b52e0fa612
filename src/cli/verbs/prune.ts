/** `kedge apply --prune`: what was applied before, and is not among what is applied now, is deleted. Source: kubectl, cmd/apply and util/prune. */
import type { FlagSpec } from './flags.ts';
import { lastAppliedOf } from './last-applied.ts';
import type { ManifestObject } from './manifests.ts';
import { apiVersionOf, pathOf, type ServedResource, type ServedResources } from './served-resources.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import type { DryRun } from './writing.ts';

export const PRUNE_FLAGS: readonly FlagSpec[] = [
  { name: 'prune', type: 'bool', summary: 'delete what was applied before and is not in the files; with -l or --all' },
  { name: 'prune-allowlist', type: 'list', summary: 'what may be deleted by --prune: <group/version/kind>' },
  { name: 'all', type: 'bool', summary: 'with --prune: whatever its labels are' },
  {
    name: 'applyset',
    type: 'string',
    summary: 'with --prune: [RESOURCE][.GROUP]/NAME of the object that remembers what was applied; a Secret by default',
  },
];

/** What kubectl looks at unless told. */
const KINDS = [
  ...['ConfigMap', 'Endpoints', 'PersistentVolumeClaim', 'Pod', 'ReplicationController', 'Secret', 'Service'].map(
    (kind) => `core/v1/${kind}`,
  ),
  ...['batch/v1/Job', 'batch/v1/CronJob', 'networking.k8s.io/v1/Ingress'],
  ...['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'].map((kind) => `apps/v1/${kind}`),
  ...['core/v1/Namespace', 'core/v1/PersistentVolume'],
];

export function refuseBadPruning({ flags }: VerbCall): void {
  if (flags.bool('all') && flags.string('selector'))
    throw new VerbError('cannot set --all and --selector at the same time');
  if (!flags.bool('prune') || flags.string('applyset')) return;
  if (flags.bool('force')) throw new VerbError('--force cannot be used with --prune');
  if (!flags.bool('all') && flags.string('selector') === '')
    throw new VerbError(
      'all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector',
    );
  if (flags.bool('server-side'))
    throw new VerbError("--prune is in alpha and doesn't currently work on objects created by server-side apply");
}

/** The types that may be deleted. Throws VerbError for what is none; asked before anything is written. */
export async function prunedTypes({ flags, cluster }: VerbCall): Promise<ServedResource[]> {
  if (!flags.bool('prune') || flags.string('applyset')) return [];
  const given = flags.list('prune-allowlist');
  const resources = await cluster.resources();
  return (given.length > 0 ? given : KINDS).map((text) => typeOf(text, resources));
}

function typeOf(text: string, resources: ServedResources): ServedResource {
  const [group, version, kind, ...more] = text.split('/');
  if (!kind || more.length > 0)
    throw new VerbError(`invalid GroupVersionKind format: ${text}, please follow <group/version/kind>`);
  const apiVersion = apiVersionOf({ group: group === 'core' ? '' : group!, version: version! });
  const found = resources.ofKind(apiVersion, kind);
  if (!found)
    throw new VerbError(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
  return found;
}

export interface Pruning {
  types: readonly ServedResource[];
  /** Of what was applied now. */
  uids: ReadonlySet<string>;
  namespaces: ReadonlySet<string>;
  dryRun: DryRun;
  /** Told of each object that goes. */
  told(object: unknown): void;
}

export async function prune(call: VerbCall, pruning: Pruning): Promise<void> {
  const { types, namespaces } = pruning;
  for (const namespace of namespaces)
    for (const type of types.filter(({ isNamespaced }) => isNamespaced))
      await pruneType(call, type, { ...pruning, namespace });
  for (const type of types.filter(({ isNamespaced }) => !isNamespaced)) await pruneType(call, type, pruning);
}

async function pruneType(
  call: VerbCall,
  type: ServedResource,
  { uids, dryRun, told, namespace }: Pruning & { namespace?: string },
): Promise<void> {
  const { cluster, flags } = call;
  const labelSelector = flags.string('selector');
  const query = labelSelector ? { labelSelector } : {};
  const list = await cluster.get<{ items: ManifestObject[] }>(pathOf(type, { namespace, query }));
  for (const item of list.items)
    if (lastAppliedOf(item) && !uids.has(String(item.metadata['uid'])))
      told(await deletePruned(call, { type, item, dryRun }));
}

/** What is told of it. */
export async function deletePruned(
  { cluster, flags }: VerbCall,
  { type, item, dryRun }: { type: ServedResource; item: ManifestObject; dryRun: DryRun },
): Promise<unknown> {
  const { name, namespace } = item.metadata;
  const grace = flags.int('grace-period');
  if (dryRun !== 'client') {
    const object = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(grace >= 0 && { gracePeriodSeconds: grace }),
      ...(dryRun === 'server' && { dryRun: ['All'] }),
    };
    await cluster.request({ method: 'DELETE', path: pathOf(type, { namespace, name }), object });
  }
  return { ...item, apiVersion: apiVersionOf(type), kind: type.kind };
}
