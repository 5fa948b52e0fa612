/** What every object of every kind has. Source: API conventions, "Objects"; API reference, ObjectMeta. */

/** An opaque label of one state of one object, or of a list. Decimal digits, comparable as numbers. */
export type ResourceVersion = string & { readonly brand?: 'ResourceVersion' };
/** `namespace/name`, or `name` for a cluster-scoped kind. */
export type ObjectKey = string & { readonly brand?: 'ObjectKey' };

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: 'Apply' | 'Update';
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: unknown;
  subresource?: string;
}

export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  selfLink?: string;
  uid: string;
  resourceVersion: ResourceVersion;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export interface ListMeta {
  resourceVersion?: ResourceVersion;
  continue?: string;
  remainingItemCount?: number;
}

export interface KubeList<T extends KubeObject = KubeObject> {
  apiVersion: string;
  kind: string;
  metadata: ListMeta;
  items: T[];
}

/**
 * `object` with these parts in place of its own. Named fields come first, because a copy that begins with `...` gets a hidden class
 * of its own each time a field is added to it or it is frozen (decision 28).
 */
export const withParts = <T extends KubeObject>(
  object: T,
  parts: { metadata?: ObjectMeta; spec?: unknown; status?: unknown },
): T => ({ kind: object.kind, apiVersion: object.apiVersion, ...(object as Partial<T>), ...parts }) as T;

/** The same of metadata, which has no fields but its own: a plain assignment is safe. */
export const withMeta = (
  metadata: ObjectMeta,
  ...parts: (Partial<ObjectMeta> | false | '' | undefined)[]
): ObjectMeta => Object.assign({}, metadata, ...parts) as ObjectMeta;

export const keyOf = ({ metadata }: { metadata: { name: string; namespace?: string } }): ObjectKey =>
  metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;
