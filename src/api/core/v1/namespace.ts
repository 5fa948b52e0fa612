/**
 * Namespace: a room for names. It goes only when all that is in it has gone: the finalizer `kubernetes` in its spec says so.
 * Source: API reference, core/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { dns1123Label, qualifiedName } from '#api/machinery/names.ts';

export type Namespace = schema.Namespace;

/** The label that every namespace carries, so that selectors can name it. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';
const FINALIZER = 'kubernetes';
const STANDARD_FINALIZERS = [FINALIZER, 'orphan', 'foregroundDeletion'];

export const Namespace = defineKind<schema.Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
  shortNames: ['ns'],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: ['status', { name: 'finalize', verbs: ['update'] }],
  name: dns1123Label,

  defaults: (namespace) => ({
    ...withNameLabel(namespace as schema.Namespace),
    spec: { ...namespace.spec } as schema.NamespaceSpec,
  }),
  prepareForCreate: (namespace) => ({
    ...withNameLabel(namespace), // again, for a name that was generated
    spec: { ...namespace.spec, finalizers: [...new Set([...(namespace.spec.finalizers ?? []), FINALIZER])] },
    status: { phase: 'Active' },
  }),
  prepareForUpdate: (next, current, subresource) =>
    subresource === 'finalize'
      ? { ...current, metadata: next.metadata, spec: next.spec }
      : { ...next, spec: current.spec },

  validate: ({ spec }, at) =>
    (spec.finalizers ?? []).flatMap((finalizer) => validateFinalizer(finalizer, at.spec.finalizers)),
  // The spec changes by `finalize` alone, and there a message names the place in the list.
  updateHasOwnRules: true,
  validateUpdate: ({ next: { spec }, at, subresource }) =>
    subresource === 'finalize'
      ? (spec.finalizers ?? []).flatMap((finalizer, i) => validateFinalizer(finalizer, at.spec.finalizers[i]!))
      : [],
  validateStatusUpdate: ({ next, at }) => {
    const phase = next.status?.phase;
    const going = next.metadata.deletionTimestamp !== undefined;
    const here = (at.status as unknown as At<{ Phase: string }>).Phase; // as upstream names it
    if (!going && phase !== 'Active')
      return [invalidValue(here, phase ?? '', "may only be 'Active' if `deletionTimestamp` is empty")];
    if (going && phase !== 'Terminating')
      return [invalidValue(here, phase ?? '', "may only be 'Terminating' if `deletionTimestamp` is not empty")];
    return [];
  },

  columns: [nameColumn(), column('Status', 'string', ({ status }) => status?.phase), ageColumn()],
  selectableFields: { 'status.phase': ({ status }) => status?.phase ?? '' },
});

function withNameLabel(namespace: schema.Namespace): schema.Namespace {
  const { metadata } = namespace;
  if (!metadata.name || metadata.labels?.[NAMESPACE_NAME_LABEL] === metadata.name) return namespace;
  return {
    ...namespace,
    metadata: { ...metadata, labels: { ...metadata.labels, [NAMESPACE_NAME_LABEL]: metadata.name } },
  };
}

function validateFinalizer(finalizer: string, at: Path): FieldError[] {
  const errors = qualifiedName(finalizer).map((text) => invalidValue(at, finalizer, text));
  if (!finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer))
    errors.push(invalidValue(at, finalizer, 'name is neither a standard finalizer name nor is it fully qualified'));
  return errors;
}
