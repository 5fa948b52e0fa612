/**
 * A kind: everything the system knows of one type of object. Verbs, discovery, storage, printing and clients are derived
 * from it and never ask which kind they have. A built-in file and a CustomResourceDefinition make the same thing.
 */
import type { TypeFacts } from './facts.ts';
import type { FieldError } from './field-error.ts';
import type { KubeObject } from './object.ts';
import type { CustomShape } from './structural-schema/custom-shape.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** A subresource by its URL segment. `status` and `scale` follow the kind; the others need IO and live in apiserver/registry. */
export interface Subresource {
  name: string;
  /** What is sent and answered, where that is not the kind itself: `{ group: 'autoscaling', version: 'v1', kind: 'Scale' }`. */
  serves?: { group: string; version: string; kind: string };
  verbs: readonly ('create' | 'delete' | 'get' | 'patch' | 'update')[];
}

/** One column of `kubectl get`. */
export interface Column<T> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description?: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  priority: number;
  /** AGE and the like: computed per request from `nowMs`; all other cells may be cached with the object. */
  timeDependent?: boolean;
  cell(object: T, nowMs: number): string | number | boolean | null;
}

/** Asks somebody else to make one version of an object from another. */
export interface Converter {
  /** In the same order; what has the version already stays as it is. Throws StatusError when one cannot be converted. */
  convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]>;
}

/** Declared as a method, so that a Kind<Pod> is a Kind. */
export type Selectable<T> = { of(object: T): string }['of'];

export interface Kind<T extends KubeObject = KubeObject> {
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  listKind: string;
  scope: 'Namespaced' | 'Cluster';
  shortNames: readonly string[];
  categories: readonly string[];
  /** Empty for kinds that are only a subresource's body (Scale, Eviction). */
  verbs: readonly Verb[];
  subresources: readonly Subresource[];
  /** Under `/registry/`, without slashes at the ends: `pods`, `minions`, `services/specs`. */
  storagePrefix: string;
  /** The shape of a built-in kind; a custom kind brings its own decoding. */
  facts: TypeFacts | undefined;
  /** The shape of a custom kind, by the schema of its definition. */
  custom?: CustomShape;
  /** undefined for the stored (hub) version; else how this version maps to and from it. */
  hub?: { kind: Kind; toHub(object: T): KubeObject; fromHub(object: KubeObject): T };
  /** Somebody brings its definition, or not: as long as it is not served there are none, and nobody waits for it. */
  mayBeMissing?: true;
  /** Another API server has it: that one may not answer, while everything else goes on. */
  servedElsewhere?: true;
  /** Of all versions of a custom kind that a webhook converts: what is stored is shown, and stored, through it. */
  converter?: Converter;
  /** Why none can be created now: the definition of a custom kind is on its way out. */
  refusesCreate?: string;
  /** Stored for a while only; kept short in history (events, leases). */
  shortLived?: boolean;
  /** Neither stored nor listed: reviews and the like answer the create. */
  virtual?: boolean;

  /** Submitted view → stored view. Pure; applied to what is read as well. */
  defaults(object: T): T;
  prepareForCreate(object: T): T;
  /** `subresource` is '' for the main resource. Keeps what this endpoint must not change; bumps generation when the spec changes. */
  prepareForUpdate(next: T, current: T, subresource: string): T;
  /** Complete: metadata included. Empty when the object is good. */
  validate(object: T): FieldError[];
  validateUpdate(next: T, current: T, subresource: string): FieldError[];
  /** Texts for `Warning: 299` headers. */
  warnings(object: T, current?: T): string[];
  /** A warning for every request of this kind, whatever it does. */
  deprecation?: string;
  columns: readonly Column<T>[];
  /** Beyond metadata.name and metadata.namespace. */
  selectableFields: Readonly<Record<string, Selectable<T>>>;
  /** What is said of a field that is none of these, where upstream has words of its own for the kind. */
  unselectableField?(field: string): string;
  /** What of the metadata a status update leaves as it is. */
  statusKeeps?: readonly ('labels' | 'annotations' | 'finalizers' | 'ownerReferences')[];
  /** PUT without resourceVersion overwrites. */
  allowUnconditionalUpdate: boolean;
  /** PUT of a name that does not exist creates it. */
  allowCreateOnUpdate: boolean;
  /** The default of propagationPolicy when a DELETE names none. */
  defaultPropagation: 'Background' | 'Orphan';
  /** How long a DELETE waits for somebody else to finish (the kubelet), by default; undefined: the object goes at once. */
  gracefulDeletion?: {
    defaultSeconds(object: T): number;
    /** True: there is nobody who must finish something, so it goes at once whatever the DELETE asked for. */
    goesAtOnce?(object: T): boolean;
  };
  /** `scale`: which fields the Scale object shows and sets. */
  scale?: {
    replicas: string; // '.spec.replicas'
    statusReplicas: string;
    /** The label selector in its serialised form. */
    selector(object: T): string;
  };
}

/** `pods`, `deployments.apps`. */
export const resourceName = ({ plural, group }: Pick<Kind, 'plural' | 'group'>): string =>
  group ? `${plural}.${group}` : plural;

/** `v1`, `apps/v1`. */
export const apiVersionOf = ({ group, version }: Pick<Kind, 'group' | 'version'>): string =>
  group ? `${group}/${version}` : version;

/** `/api/v1`, `/apis/apps/v1`. */
export const apiRootOf = ({ group, version }: Pick<Kind, 'group' | 'version'>): string =>
  group ? `/apis/${group}/${version}` : `/api/${version}`;

/** The URL path of a collection, or of one object when `name` is given. */
export function pathOf(kind: Kind, at: { namespace?: string; name?: string; subresource?: string } = {}): string {
  const namespace =
    kind.scope === 'Namespaced' && at.namespace ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name ? `/${encodeURIComponent(at.name)}` : '';
  return `${apiRootOf(kind)}${namespace}/${kind.plural}${name}${at.subresource ? `/${at.subresource}` : ''}`;
}

/** Which kinds are served now. May change while running: `generation` moves with every change. */
export interface KindRegistry {
  readonly generation: number;
  /** In catalog order. */
  all(): readonly Kind[];
  byResource(group: string, version: string, plural: string): Kind | undefined;
  byKind(group: string, version: string, kind: string): Kind | undefined;
  /** Called after each change, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** Groups and versions whose kinds are not known, or no longer for sure: who serves them does not answer. */
  unavailable?(): readonly { group: string; version: string }[];
}
