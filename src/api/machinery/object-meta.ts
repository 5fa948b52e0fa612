/**
 * The rules of metadata, the same for every kind. Source: API conventions, "Metadata"; API reference, ObjectMeta.
 */
import { isEqual } from './equal.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from './field-error.ts';
import { type At, root } from './field-path.ts';
import { asPrefix, dns1123Label, labelValue, type NameRule, qualifiedName } from './names.ts';
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from './object.ts';

export interface MetaRules {
  scope: 'Namespaced' | 'Cluster';
  name: NameRule;
}

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];

const MAX_ANNOTATION_BYTES = 256 * 1024;
const MAX_MANAGER_BYTES = 128;
const MAX_SUBRESOURCE_BYTES = 256;
export const IMMUTABLE = 'field is immutable';
const METADATA = root<ObjectMeta>('metadata');

export function validateObjectMeta(meta: ObjectMeta, rules: MetaRules, at = METADATA): FieldError[] {
  return [
    ...validateName(meta, rules.name, at),
    ...validateNamespace(meta.namespace, rules.scope, at),
    ...((meta.generation ?? 0) < 0
      ? [invalidValue(at.generation, meta.generation, 'must be greater than or equal to 0')]
      : []),
    ...validateSets(meta, at),
    ...validateFinalizers(meta.finalizers ?? [], at.finalizers),
  ];
}

/** `resourceVersion` is expected to be filled in by the server when the client sent none. */
export function validateObjectMetaUpdate(next: ObjectMeta, current: ObjectMeta, at = METADATA): FieldError[] {
  const added = (next.finalizers ?? []).filter((finalizer) => !current.finalizers?.includes(finalizer));
  const errors: FieldError[] = [];
  if (current.deletionTimestamp && added.length > 0) {
    const list = [...new Set(added)].sort().map((finalizer) => JSON.stringify(finalizer));
    errors.push(
      forbiddenField(
        at.finalizers,
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list.join(', ')}}`,
      ),
    );
  }
  if (!next.resourceVersion) errors.push(invalidValue(at.resourceVersion, '', 'must be specified for an update'));
  if ((next.generation ?? 0) < (current.generation ?? 0))
    errors.push(invalidValue(at.generation, next.generation ?? 0, 'must not be decremented'));
  for (const field of UNCHANGING) {
    if (!isEqual(next[field], current[field])) errors.push(invalidValue(at[field], next[field], IMMUTABLE));
  }
  return [...errors, ...validateSets(next, at, current)];
}

const UNCHANGING = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

function validateName({ name, generateName }: ObjectMeta, rule: NameRule, at: At<ObjectMeta>): FieldError[] {
  const prefixErrors = generateName
    ? rule(asPrefix(generateName)).map((text) => invalidValue(at.generateName, generateName, text))
    : [];
  if (!name) return [...prefixErrors, requiredValue(at.name, 'name or generateName is required')];
  return [...prefixErrors, ...rule(name).map((text) => invalidValue(at.name, name, text))];
}

function validateNamespace(namespace: string | undefined, scope: MetaRules['scope'], at: At<ObjectMeta>): FieldError[] {
  if (scope === 'Cluster') return namespace ? [forbiddenField(at.namespace, 'not allowed on this type')] : [];
  if (!namespace) return [requiredValue(at.namespace)];
  return dns1123Label(namespace).map((text) => invalidValue(at.namespace, namespace, text));
}

/** `known`: what stands and was judged when it was written. What is the very same part of it is not judged again. */
function validateSets(meta: ObjectMeta, at: At<ObjectMeta>, known?: ObjectMeta): FieldError[] {
  const { labels, annotations, ownerReferences, managedFields } = meta;
  const errors: FieldError[] = [];
  if (labels !== known?.labels) errors.push(...validateLabels(labels, at.labels));
  if (annotations !== known?.annotations) errors.push(...validateAnnotations(annotations, at.annotations));
  if (ownerReferences !== known?.ownerReferences)
    errors.push(...validateOwnerReferences(ownerReferences ?? [], at.ownerReferences));
  if (managedFields !== known?.managedFields)
    errors.push(...validateManagedFields(managedFields ?? [], at.managedFields, known?.managedFields));
  return errors;
}

export function validateLabels(
  labels: Record<string, string> | undefined,
  at: At<Record<string, string>>,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in labels) {
    const value = labels[key]!;
    for (const text of qualifiedName(key)) errors.push(invalidValue(at, key, text));
    for (const text of labelValue(value)) errors.push(invalidValue(at, value, text));
  }
  return errors;
}

/** Keys may be of any case; keys and values together hold at most 256 KiB. */
export function validateAnnotations(
  annotations: Record<string, string> | undefined,
  at: At<Record<string, string>>,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key in annotations) {
    for (const text of qualifiedName(key.toLowerCase())) errors.push(invalidValue(at, key, text));
    bytes += byteLength(key) + byteLength(annotations[key]!);
  }
  if (bytes > MAX_ANNOTATION_BYTES) errors.push(tooLong(at, MAX_ANNOTATION_BYTES));
  return errors;
}

/** Upstream names the list and not the place in it. */
function validateOwnerReferences(owners: readonly OwnerReference[], at: At<OwnerReference[]>): FieldError[] {
  const errors = owners.flatMap((owner) => validateOwnerReference(owner, at));
  const controllers = owners.filter(({ controller }) => controller);
  // Upstream tells of each, with the whole list each time; who looks at the first sees what is wrong.
  const [first, other] = controllers;
  if (first && other) {
    const named = ({ kind, name }: OwnerReference) => `${kind}/${name}`;
    const found = `Found "true" in references for ${named(first)} and ${named(other)}`;
    errors.push(invalidValue(at, owners, `Only one reference can have Controller set to true. ${found}`));
  }
  return errors;
}

function validateOwnerReference(owner: OwnerReference, at: At<OwnerReference[]>): FieldError[] {
  const { apiVersion = '', kind } = owner;
  const errors: FieldError[] = [];
  // what has two slashes is no version at all
  if (!apiVersion || apiVersion.split('/').length > 2 || apiVersion.endsWith('/'))
    errors.push(invalidValue(`${at}.apiVersion`, apiVersion, 'version must not be empty'));
  for (const field of ['kind', 'name', 'uid'] as const)
    if (!owner[field]) errors.push(invalidValue(`${at}.${field}`, '', 'must not be empty'));
  if (apiVersion === 'v1' && kind === 'Event')
    errors.push(invalidValue(at, owner, '/v1, Kind=Event is disallowed from being an owner'));
  return errors;
}

/** Of built-in kinds: whose finalizer it is must be told by its prefix. */
export const validateOwnedFinalizers = ({ finalizers = [] }: ObjectMeta, at = METADATA): FieldError[] =>
  finalizers.flatMap((name, index) =>
    name.includes('/') || STANDARD_FINALIZERS.includes(name)
      ? []
      : [
          invalidValue(
            at.finalizers[index]!,
            name,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  );

function validateFinalizers(finalizers: readonly string[], at: At<string[]>): FieldError[] {
  const errors = finalizers.flatMap((finalizer) =>
    qualifiedName(finalizer).map((text) => invalidValue(at, finalizer, text)),
  );
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.push(invalidValue(at, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  return errors;
}

const validateManagedFields = (
  entries: readonly ManagedFieldsEntry[],
  at: At<ManagedFieldsEntry[]>,
  known: readonly ManagedFieldsEntry[] = [],
): FieldError[] =>
  entries.flatMap((entry, index) => (known.includes(entry) ? [] : validateManagedFieldsEntry(entry, at[index]!)));

function validateManagedFieldsEntry(entry: ManagedFieldsEntry, at: At<ManagedFieldsEntry>): FieldError[] {
  const errors: FieldError[] = [];
  if (!entry.operation) errors.push(requiredValue(at.operation, 'must not be empty'));
  else if (entry.operation !== 'Apply' && entry.operation !== 'Update')
    errors.push(notSupportedValue(at.operation, entry.operation, ['Apply', 'Update']));
  if (entry.fieldsType && entry.fieldsType !== 'FieldsV1')
    errors.push(invalidValue(at.fieldsType, entry.fieldsType, 'must be `FieldsV1`'));
  if (byteLength(entry.manager ?? '') > MAX_MANAGER_BYTES) errors.push(tooLong(at.manager, MAX_MANAGER_BYTES));
  if (byteLength(entry.subresource ?? '') > MAX_SUBRESOURCE_BYTES)
    errors.push(tooLong(at.subresource, MAX_SUBRESOURCE_BYTES));
  return errors;
}

/** The length in UTF-8, without encoding it. */
export function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff)) bytes += 2;
    else if (unit >= 0x80) bytes += 1; // a surrogate pair: two units, four bytes
  }
  return bytes;
}
