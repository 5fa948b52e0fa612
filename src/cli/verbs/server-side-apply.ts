/**
 * `kedge apply --server-side`. What client-side apply owned moves over to the new owner with the first apply on the server.
 * Source: kubectl apply; KEP-555, "Upgrade from client-side to server-side apply".
 */
import type { ManagedFieldsEntry } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { LAST_APPLIED } from './last-applied.ts';
import type { ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { pathOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { type DryRun, writeQuery } from './writing.ts';

interface Applied {
  metadata: { annotations?: Record<string, string>; managedFields?: ManagedFieldsEntry[]; resourceVersion?: string };
}

const LAST_APPLIED_MANAGER = 'kubectl-last-applied';
const CLIENT_SIDE = 'kubectl-client-side-apply';
const SERVER_SIDE = 'kubectl';

export async function applyOnServer(call: VerbCall, target: Target, dryRun: DryRun): Promise<unknown> {
  const first = await applyOnce(call, target, dryRun);
  const manager = managerOf(call);
  // In another name the annotation is nobody's who applies on the client, and goes.
  const applied =
    manager === SERVER_SIDE
      ? await annotationKept(call, target, { applied: first as Applied, dryRun })
      : (first as Applied);
  if (!applied) return first;
  const managedFields = movedOver(applied.metadata.managedFields ?? [], manager);
  if (!managedFields) return applied;
  const { resourceVersion } = applied.metadata;
  const object = [
    { op: 'replace', path: '/metadata/managedFields', value: managedFields },
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  ];
  const path = pathOf(target.resource, { ...target, query: dryRunQuery(dryRun) });
  await call.cluster.request({ method: 'PATCH', path, object, contentType: 'application/json-patch+json' });
  return applyOnce(call, target, dryRun); // now what is not applied any more goes
}

const dryRunQuery = (dryRun: DryRun): Record<string, string> => (dryRun === 'server' ? { dryRun: 'All' } : {});

/**
 * The annotation of client-side apply gets an owner of its own, so that it does not go with the fields that are not applied any
 * more. undefined when that was refused, which is told and no failure.
 */
async function annotationKept(
  { cluster, io }: VerbCall,
  { resource, namespace, name, object }: Target,
  { applied, dryRun }: { applied: Applied; dryRun: DryRun },
): Promise<Applied | undefined> {
  const { annotations = {}, managedFields = [] } = applied.metadata;
  const value = annotations[LAST_APPLIED];
  const isKept = managedFields.some(({ operation, fieldsV1 }) => operation === 'Apply' && ownsAnnotation(fieldsV1));
  if (value === undefined || isKept) return applied;
  const { apiVersion, kind } = object as ManifestObject;
  const metadata = { name, ...(namespace && { namespace }), annotations: { [LAST_APPLIED]: value } };
  const body = new TextEncoder().encode(compactJson({ apiVersion, kind, metadata }));
  const query = { fieldManager: LAST_APPLIED_MANAGER, ...dryRunQuery(dryRun) };
  const path = pathOf(resource, { namespace, name, query });
  try {
    return (await cluster.request({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' }))
      .object as Applied;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    io.err(
      `Warning: failed to migrate ${LAST_APPLIED} for Server-Side Apply. This is non-fatal and will be retried next time you apply. Error: ${error.message}\n`,
    );
    return undefined;
  }
}

function ownsAnnotation(fields: unknown): boolean {
  const metadata = (fields as { 'f:metadata'?: { 'f:annotations'?: object } } | undefined)?.['f:metadata'];
  return Object.hasOwn(metadata?.['f:annotations'] ?? {}, `f:${LAST_APPLIED}`);
}

const managerOf = ({ flags }: VerbCall): string =>
  flags.has('field-manager') ? flags.string('field-manager') : SERVER_SIDE;

async function applyOnce(
  call: VerbCall,
  { resource, namespace, name, object }: Target,
  dryRun: DryRun,
): Promise<unknown> {
  const { flags, cluster } = call;
  const query = {
    ...writeQuery(flags, { dryRun, hasValidation: true }),
    fieldManager: managerOf(call),
    force: String(flags.bool('force-conflicts')),
  };
  const path = pathOf(resource, { namespace, name, subresource: flags.string('subresource'), query });
  const body = new TextEncoder().encode(compactJson(object));
  try {
    return (await cluster.request({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })).object;
  } catch (error) {
    throw hasReason(error, 'Conflict') ? new VerbError(`${error.message}\n${ADVICE}`) : error;
  }
}

const ADVICE = `Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`;

/** undefined when client-side apply owns nothing any more. */
export function movedOver(entries: readonly ManagedFieldsEntry[], manager: string): ManagedFieldsEntry[] | undefined {
  const isOld = (entry: ManagedFieldsEntry) =>
    entry.manager === CLIENT_SIDE && entry.operation === 'Update' && !entry.subresource;
  const isNew = (entry: ManagedFieldsEntry) =>
    entry.manager === manager && entry.operation === 'Apply' && !entry.subresource;
  const old = entries.filter(isOld);
  if (old.length === 0 || !entries.some(isNew)) return undefined;
  return entries
    .filter((entry) => !isOld(entry))
    .map((entry) =>
      isNew(entry)
        ? { ...entry, fieldsV1: old.reduce((all, { fieldsV1 }) => union(all, fieldsV1), entry.fieldsV1) }
        : entry,
    );
}

function union<T>(a: T, b: T): T {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a ?? b;
  const all = new Map<string, unknown>(Object.entries(a));
  for (const [key, value] of Object.entries(b)) all.set(key, all.has(key) ? union(all.get(key), value) : value);
  return Object.fromEntries(all) as T;
}
