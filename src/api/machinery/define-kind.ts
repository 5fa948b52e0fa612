/**
 * Makes a Kind from what is particular to it. What a declaration leaves out is the standard strategy: the status is cleared
 * on create, kept by a main update and alone changed by a status update; metadata follows the common rules.
 */
import type { Submitted } from '#api/generated/schema.ts';
import { facts } from '#api/generated/facts.ts';
import { humanSince } from './duration.ts';
import { isEqual } from './equal.ts';
import type { TypeFacts } from './facts.ts';
import type { FieldError } from './field-error.ts';
import { type At, root } from './field-path.ts';
import type { Column, Kind, Selectable, Subresource, Verb } from './kind.ts';
import { dns1123Subdomain, type NameRule } from './names.ts';
import { type KubeObject, type ObjectMeta, withMeta, withParts } from './object.ts';
import { validateObjectMeta, validateObjectMetaUpdate, validateOwnedFinalizers } from './object-meta.ts';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** A change as validation sees it. `subresource` is '' for the main resource, never 'status'. */
export interface Change<T> {
  next: T;
  current: T;
  at: At<T>;
  subresource: string;
}

/** The parts of a Kind that differ from kind to kind; everything optional has a standard. */
export interface KindDeclaration<T extends KubeObject> {
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular?: string;
  scope: 'Namespaced' | 'Cluster';
  shortNames?: readonly string[];
  categories?: readonly string[];
  /** All of them unless said otherwise; create alone for a virtual kind. */
  verbs?: readonly Verb[];
  subresources?: readonly ('status' | 'scale' | Subresource)[];
  /** `plural` unless upstream's is irregular. */
  storagePrefix?: string;
  /** Finalizers need not tell whose they are: of kinds that are no part of Kubernetes' core. */
  anyFinalizer?: true;
  /** The rule for metadata.name; a DNS-1123 subdomain unless said otherwise. */
  name?: NameRule;
  hub?: Kind<T>['hub'];
  shortLived?: boolean;
  virtual?: boolean;
  /** What counts as the desired state: metadata.generation starts at 1 and moves when it changes. Absent: no generation. */
  generationOf?(object: T): unknown;
  /** The status of a new object, when the kind has one. `{}` unless upstream always writes some fields. */
  initialStatus?: unknown;
  /** The status of a create is kept: a kubelet registers its node and says how it is in one request. */
  createdWithStatus?: boolean;
  /** What of the metadata a status update must leave alone. Some metadata (resourceVersion …) is the server's anyway. */
  statusKeeps?: readonly ('labels' | 'annotations' | 'finalizers' | 'ownerReferences')[];

  /** What becomes of the spec of a version that is stored goes by the spec alone: who hands in the same again shares it (decision 37). */
  defaults?(object: Submitted<T> & Pick<T, 'metadata'>): T;
  /** After the standard one. */
  prepareForCreate?(object: T): T;
  /** After the standard one, never for the status subresource. */
  prepareForUpdate?(next: T, current: T, subresource: string): T;
  /** After the standard one. */
  prepareForStatusUpdate?(next: T, current: T): T;
  /** All but the metadata. Runs on create, and on updates of the main resource unless `validateUpdate` takes that over. */
  validate?(object: T, at: At<T>): FieldError[];
  /** What an update must not change. Runs for every subresource but status. */
  validateUpdate?(change: Change<T>): FieldError[];
  /** True: an update is checked by `validateUpdate` alone. */
  updateHasOwnRules?: boolean;
  validateStatusUpdate?(change: Change<T>): FieldError[];
  warnings?(object: T, current?: T): string[];
  deprecation?: string;
  columns?: readonly Column<T>[];
  selectableFields?: Readonly<Record<string, Selectable<T>>>;
  unselectableField?(field: string): string;
  allowUnconditionalUpdate?: boolean;
  allowCreateOnUpdate?: boolean;
  defaultPropagation?: 'Background' | 'Orphan';
  gracefulDeletion?: Kind<T>['gracefulDeletion'];
  scale?: Kind<T>['scale'];
}

export const KEEP_ALL_METADATA = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

export function defineKind<T extends KubeObject>(declaration: KindDeclaration<T>): Kind<T> {
  const { group, version, kind, plural, scope } = declaration;
  const hasStatus = declaration.subresources?.includes('status') ?? false;
  const at = root<T>();
  const subresources = (declaration.subresources ?? []).map(subresourceOf);
  let type: TypeFacts | undefined;
  // What arrives as another kind (a Binding) is the server's doing, not a new wish of the owner.
  const isOwnSpec = (name: string) => name === 'scale' || !subresources.find((one) => one.name === name)?.serves;
  return {
    group,
    version,
    kind,
    plural,
    singular: declaration.singular ?? kind.toLowerCase(),
    listKind: `${kind}List`,
    scope,
    shortNames: declaration.shortNames ?? [],
    categories: declaration.categories ?? [],
    verbs: declaration.verbs ?? (declaration.virtual ? ['create'] : ALL_VERBS),
    subresources,
    storagePrefix: declaration.storagePrefix ?? plural,
    get facts() {
      type ??= facts.typeOfKind(group, version, kind);
      return type;
    },
    ...(declaration.hub && { hub: declaration.hub }),
    ...(declaration.shortLived && { shortLived: true }),
    ...(declaration.virtual && { virtual: true }),

    defaults: (object) => (declaration.defaults ? declaration.defaults(object as unknown as Submitted<T> & T) : object),

    prepareForCreate(object) {
      const metadata = declaration.generationOf ? withMeta(object.metadata, { generation: 1 }) : object.metadata;
      const status = hasStatus && !declaration.createdWithStatus && { status: declaration.initialStatus ?? {} };
      const fresh = withParts(object, { metadata, ...status });
      return declaration.prepareForCreate?.(fresh) ?? fresh;
    },

    prepareForUpdate(next, current, subresource) {
      if (subresource === 'status') {
        const changed = withOnlyStatusOf(next, current, declaration);
        return declaration.prepareForStatusUpdate?.(changed, current) ?? changed;
      }
      const kept = hasStatus && subresource === '' ? withStatusOf(next, current) : next;
      const prepared = withParts(kept, { metadata: withSystemFieldsOf(kept.metadata, current.metadata) });
      const own = declaration.prepareForUpdate?.(prepared, current, subresource) ?? prepared;
      return isOwnSpec(subresource) ? withGeneration(own, current, declaration.generationOf) : own;
    },

    validate: (object) => [
      ...(declaration.virtual
        ? [] // a question needs no name
        : [
            ...validateObjectMeta(object.metadata, { scope, name: declaration.name ?? dns1123Subdomain }),
            ...(declaration.anyFinalizer ? [] : validateOwnedFinalizers(object.metadata)),
          ]),
      ...(declaration.validate?.(object, at) ?? []),
    ],

    validateUpdate(next, current, subresource) {
      const change = { next, current, at, subresource };
      const metadata = [
        ...validateObjectMetaUpdate(next.metadata, current.metadata),
        ...(declaration.anyFinalizer ? [] : validateOwnedFinalizers(next.metadata)),
      ];
      if (subresource === 'status') return [...metadata, ...(declaration.validateStatusUpdate?.(change) ?? [])];
      const whole = declaration.updateHasOwnRules ? [] : (declaration.validate?.(next, at) ?? []);
      return [...metadata, ...whole, ...(declaration.validateUpdate?.(change) ?? [])];
    },

    ...(declaration.statusKeeps && { statusKeeps: declaration.statusKeeps }),
    warnings: (object, current) => declaration.warnings?.(object, current) ?? [],
    ...(declaration.deprecation && { deprecation: declaration.deprecation }),
    columns: declaration.columns ?? STANDARD_COLUMNS,
    selectableFields: declaration.selectableFields ?? {},
    ...(declaration.unselectableField && { unselectableField: declaration.unselectableField }),
    allowUnconditionalUpdate: declaration.allowUnconditionalUpdate ?? true,
    allowCreateOnUpdate: declaration.allowCreateOnUpdate ?? false,
    defaultPropagation: declaration.defaultPropagation ?? 'Background',
    ...(declaration.gracefulDeletion && { gracefulDeletion: declaration.gracefulDeletion }),
    ...(declaration.scale && { scale: declaration.scale }),
  };
}

/**
 * A kind that is only the body of a subresource (Scale, Eviction, TokenRequest): decoded and checked, never stored or listed.
 */
export const defineBody = <T extends KubeObject>(
  declaration: Pick<KindDeclaration<T>, 'group' | 'version' | 'kind' | 'defaults' | 'validate' | 'columns'>,
): Kind<T> =>
  defineKind<T>({
    ...declaration,
    plural: declaration.kind.toLowerCase(),
    scope: 'Namespaced',
    verbs: [],
    virtual: true,
  });

const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

function subresourceOf(declared: 'status' | 'scale' | Subresource): Subresource {
  if (typeof declared !== 'string') return declared;
  const verbs = ['get', 'patch', 'update'] as const;
  return declared === 'scale' ? { name: declared, serves: SCALE, verbs } : { name: declared, verbs };
}

const statusOf = (object: KubeObject): unknown => (object as KubeObject & { status?: unknown }).status;

function withStatusOf<T extends KubeObject>(next: T, current: T): T {
  const status = statusOf(current);
  if (status !== undefined) return withParts(next, { status });
  const { status: _, ...rest } = next as T & { status?: unknown };
  return rest as unknown as T;
}

function withOnlyStatusOf<T extends KubeObject>(
  next: T,
  current: T,
  { statusKeeps = [], initialStatus = {} }: Pick<KindDeclaration<T>, 'statusKeeps' | 'initialStatus'>,
): T {
  const metadata = withSystemFieldsOf(next.metadata, current.metadata);
  for (const field of statusKeeps) Object.assign(metadata, { [field]: current.metadata[field] });
  return { ...current, apiVersion: next.apiVersion, metadata, status: statusOf(next) ?? initialStatus };
}

/** What an update cannot change without being told so: a client that leaves these out means no harm. */
function withSystemFieldsOf(next: ObjectMeta, current: ObjectMeta): ObjectMeta {
  const grace = next.deletionGracePeriodSeconds ?? current.deletionGracePeriodSeconds;
  return withMeta(
    next,
    { uid: next.uid || current.uid, creationTimestamp: current.creationTimestamp },
    current.generation !== undefined && { generation: current.generation },
    current.deletionTimestamp && { deletionTimestamp: current.deletionTimestamp },
    grace !== undefined && { deletionGracePeriodSeconds: grace },
  );
}

function withGeneration<T extends KubeObject>(next: T, current: T, of?: (object: T) => unknown): T {
  if (!of || isEqual(of(next), of(current))) return next;
  return withParts(next, { metadata: withMeta(next.metadata, { generation: (current.metadata.generation ?? 0) + 1 }) });
}

type Cell<T> = (object: T, nowMs: number) => string | number | boolean | null | undefined;
interface ColumnOptions {
  format?: string;
  priority?: number;
  timeDependent?: boolean;
  description?: string;
}

/** A column of `kubectl get`; an absent value shows as nothing. */
export const column = <T>(
  name: string,
  type: Column<T>['type'],
  cell: Cell<T>,
  options: ColumnOptions = {},
): Column<T> => ({
  priority: 0,
  ...options,
  name,
  type,
  cell: (object, nowMs) => cell(object, nowMs) ?? null,
});

/** Shown only with `-o wide`. */
export const wideColumn = <T>(name: string, type: Column<T>['type'], cell: Cell<T>): Column<T> =>
  column(name, type, cell, { priority: 1 });

export const nameColumn = <T extends KubeObject>(): Column<T> =>
  column('Name', 'string', ({ metadata }) => metadata.name, { format: 'name' });

export const ageColumn = <T extends KubeObject>(): Column<T> =>
  column('Age', 'string', ({ metadata }, nowMs) => humanSince(metadata.creationTimestamp, nowMs), {
    timeDependent: true,
  });

/** Upstream's columns for kinds that have none of their own. */
const STANDARD_COLUMNS: readonly Column<KubeObject>[] = [
  nameColumn(),
  column('Created At', 'date', ({ metadata }) => metadata.creationTimestamp),
];
