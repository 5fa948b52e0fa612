/**
 * managedFields on a write: an update takes what it changed, an apply takes what its configuration names, or fails when
 * that belongs to somebody else. Source: "Server-Side Apply"; structured-merge-diff, merge.Updater.
 */
import type { JsonObject } from '../json-value.ts';
import type { ManagedFieldsEntry, ObjectMeta } from '../object.ts';
import { mergeConfiguration, pruneUnowned } from './applied-configuration.ts';
import { type Comparison, compareObjects } from './compare.ts';
import { applyConflict, type Conflict } from './conflicts.ts';
import {
  covers,
  type FieldSet,
  fieldSetOf,
  isSameSet,
  rootDifference,
  rootIntersection,
  rootUnion,
} from './field-set.ts';
import type { Shape } from './field-shape.ts';
import {
  capped,
  isReset,
  isSameManager,
  type Manager,
  readManagers,
  standingManagers,
  writeManagers,
} from './managers.ts';

/** Who writes, through what. */
export interface Writer {
  manager: string;
  apiVersion: string;
  /** '' for the object itself. */
  subresource: string;
  /** metav1.Time. */
  now: string;
  /** Of the root's fields those that this endpoint changes. */
  isWatched(field: string): boolean;
  /** What of the metadata this endpoint leaves as it is, whatever is sent: `f:labels`. */
  leaves?: ReadonlySet<string>;
}

type Tracked = object & { metadata?: Pick<ObjectMeta, 'managedFields' | 'uid'> };

/** The metadata that the server keeps: nobody manages it. */
const SYSTEM_METADATA = new Set(
  [
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => `f:${name}`),
);

/** A set without what nobody manages, and without what this endpoint does not change. */
export function withoutSystemFields(
  set: FieldSet | undefined,
  { isWatched, leaves }: Pick<Writer, 'isWatched' | 'leaves'>,
): FieldSet | undefined {
  if (!set) return undefined;
  const kept: Record<string, FieldSet> = {};
  for (const element of Object.keys(set)) {
    if (element === 'f:apiVersion' || element === 'f:kind' || element === '.' || !isWatched(element.slice(2))) continue;
    if (element !== 'f:metadata') kept[element] = set[element]!;
    else {
      const own = managedMetadata(set[element]!, leaves);
      if (own) kept[element] = own;
    }
  }
  return fieldSetOf(false, kept);
}

function managedMetadata(set: FieldSet, leaves: ReadonlySet<string> | undefined): FieldSet | undefined {
  let own: Record<string, FieldSet> | undefined;
  for (const element in set) {
    if (element === '.' || SYSTEM_METADATA.has(element) || leaves?.has(element)) continue;
    own ??= {};
    own[element] = set[element]!;
  }
  return own;
}

const NEW_OBJECT = Object.freeze({});

/** An object as another version has it; undefined when that version is served no longer. */
export type InVersion = (object: object, apiVersion: string) => { object: object; shape: Shape } | undefined;

export interface Tracking {
  shape: Shape;
  writer: Writer;
  /** Without it all versions are taken for the writer's. */
  inVersion?: InVersion;
}

/** What a change did, as each version sees it: a field may have another name there, or none. */
class VersionedChange {
  readonly own: Comparison;
  readonly #before: object;
  readonly #after: () => object;
  readonly #context: Tracking;
  /** In other versions. */
  #seen: Map<string, Comparison | undefined> | undefined;

  /** `after` is asked for other versions only: the writer's own sees what was said, before the type makes something of it. */
  constructor(before: object, said: object, context: Tracking, after: () => object = () => said) {
    this.#before = before;
    this.#after = after;
    this.#context = context;
    this.own = compareObjects(before, said, context.shape, context.writer.isWatched);
  }

  /** undefined: the version is served no longer. */
  in(apiVersion: string): Comparison | undefined {
    const { writer, inVersion } = this.#context;
    if (apiVersion === writer.apiVersion || !inVersion) return this.own;
    this.#seen ??= new Map();
    if (!this.#seen.has(apiVersion)) this.#seen.set(apiVersion, this.#compare(apiVersion, inVersion));
    return this.#seen.get(apiVersion);
  }

  #compare(apiVersion: string, inVersion: InVersion): Comparison | undefined {
    const before = this.#before === NEW_OBJECT ? { object: NEW_OBJECT } : inVersion(this.#before, apiVersion);
    const after = inVersion(this.#after(), apiVersion);
    return before && after && compareObjects(before.object, after.object, after.shape, this.#context.writer.isWatched);
  }
}

/**
 * The managedFields after an update or a create (`live` undefined). What a client sent in them counts, unless it is
 * empty, malformed or comes through a subresource; `[{}]` forgets all. An object that has none stays without.
 */
export function managedFieldsOfUpdate(
  live: Tracked | undefined,
  next: Tracked,
  context: Tracking,
): ManagedFieldsEntry[] | undefined {
  const { writer } = context;
  const standing = live?.metadata?.managedFields;
  const sent = writer.subresource === '' ? next.metadata?.managedFields : undefined;
  if (sent && isReset(sent)) return undefined;
  if (live && !standing?.length && !sent?.length) return undefined;
  const base = (sent?.length && sent !== standing ? readSent(sent) : undefined) ?? standingManagers(standing);
  if (live && !base?.length) return undefined;
  const change = new VersionedChange(live ?? NEW_OBJECT, next, context);
  const { touched, removed } = change.own;
  const taken = withoutSystemFields(touched, writer);
  if (!base?.length) return taken && writeManagers([taking(writer, taken)]);
  const isAsBefore = !taken && !removed;
  if (isAsBefore && (!sent || sent === standing)) return standing;
  const managers = isAsBefore ? base : afterUpdate(base, change, { taken, writer });
  return writeManagers(capped(managers));
}

function readSent(sent: readonly ManagedFieldsEntry[]): Manager[] | undefined {
  const managers = readManagers(sent);
  return managers?.length ? managers : undefined;
}

function afterUpdate(
  managers: readonly Manager[],
  change: VersionedChange,
  { taken, writer }: { taken: FieldSet | undefined; writer: Writer },
): Manager[] {
  if (!taken) return lessened(managers, change);
  const self = taking(writer, taken);
  const own = managers.find((manager) => isSameManager(manager, self));
  if (own) self.set = ownSet(own, change, taken);
  const left = lessened(managers, change, own);
  left.push(self);
  return left;
}

/** All but one. */
function lessened(managers: readonly Manager[], change: VersionedChange, but?: Manager): Manager[] {
  const left: Manager[] = [];
  for (const manager of managers) {
    const less = manager === but ? undefined : lessening(manager, change);
    if (less) left.push(less);
  }
  return left;
}

/** Mostly who writes writes what was theirs before: then it is as it was. */
function ownSet(own: Manager, change: VersionedChange, taken: FieldSet): FieldSet {
  const { touched, removed } = change.own;
  const isTheirs = !removed && covers(own.set, taken) && touched && covers(taken, touched);
  return isTheirs ? own.set : rootUnion(lessening(own, change)?.set, taken)!;
}

const identityOf = ({ manager, apiVersion, subresource }: Writer) => ({ manager, apiVersion, subresource });

const taking = ({ manager, apiVersion, subresource, now }: Writer, set: FieldSet): Manager => ({
  manager,
  operation: 'Update',
  apiVersion,
  subresource,
  time: now,
  set,
});

/** What is left to a manager after a change. Whose version is served no longer is forgotten. */
function lessening(manager: Manager, change: VersionedChange): Manager | undefined {
  const seen = change.in(manager.apiVersion);
  if (!seen) return undefined;
  const set = rootDifference(manager.set, rootUnion(seen.touched, seen.removed));
  if (set === manager.set) return manager;
  return set && { ...manager, set };
}

export interface Application extends Tracking {
  configuration: JsonObject;
  /** What the configuration names. */
  named: FieldSet | undefined;
  force: boolean;
  /** What may be taken without force: asked for only when there are conflicts. */
  free?(): FieldSet | undefined;
  /** How a conflict is told where the client applies another form of the object (a Scale). */
  told?(conflict: Conflict): Conflict;
  /** Brings a merged object into the shape of its type. */
  reshape(merged: JsonObject): JsonObject;
}

export interface Applied {
  object: JsonObject;
  managedFields: ManagedFieldsEntry[] | undefined;
}

/** Whoever set the fields of an object that has no account of them. */
const BEFORE_FIRST_APPLY = 'before-first-apply';

/** Throws Conflict when fields belong to others and `force` is not given. `live` is undefined when there is no object yet. */
export function applyConfiguration(live: JsonObject | undefined, application: Application): Applied {
  const { configuration, shape, writer, reshape } = application;
  const managers = live ? managersOf(live, application) : [];
  const self = { ...identityOf(writer), operation: 'Apply' as const };
  const own = managers.find((manager) => isSameManager(manager, self));
  const others = managers.filter((manager) => manager !== own);
  const named = withoutSystemFields(application.named, writer);
  const merged = mergeConfiguration(live ?? {}, configuration, shape) as JsonObject;
  // With the name, which nobody manages: else metadata would go when the last label or annotation is not applied any more.
  const owned = [...others.map(({ set }) => set), application.named].reduce<FieldSet | undefined>(rootUnion, undefined);
  const said = pruneUnowned(merged, shape, { before: own?.set, owned }) as JsonObject;
  let shaped: JsonObject | undefined;
  const reshaped = () => {
    shaped ??= reshape(said);
    return shaped;
  };
  // Whose fields they are is judged before whether they fit the type.
  const change = new VersionedChange(live ?? NEW_OBJECT, said, application, reshaped);
  const left = lessConflicts(others, change, application);
  const object = reshaped();
  if (!named) return { object, managedFields: writeManagers(left) };
  const { touched, removed } = change.own;
  const isSame = own && own.apiVersion === writer.apiVersion && isSameSet(own.set, named) && !touched && !removed;
  const mine = isSame ? own : { ...self, time: writer.now, set: named };
  return { object, managedFields: writeManagers([...left, mine]) };
}

function managersOf(live: JsonObject, { shape, writer }: Application): Manager[] {
  const managers = standingManagers((live as Tracked).metadata?.managedFields) ?? [];
  if (managers.length > 0) return managers;
  const { touched } = compareObjects(NEW_OBJECT, live, shape, writer.isWatched);
  const set = withoutSystemFields(touched, writer);
  if (!set) return [];
  const { apiVersion, subresource, now } = writer;
  return [{ manager: BEFORE_FIRST_APPLY, operation: 'Update', apiVersion, subresource, time: now, set }];
}

function lessConflicts(
  others: readonly Manager[],
  change: VersionedChange,
  { force, free, told = (conflict) => conflict }: Application,
): Manager[] {
  if (!force && conflictsWith(others, change, undefined).length > 0) {
    const left = conflictsWith(others, change, free?.());
    if (left.length > 0) throw applyConflict(left.map(told));
  }
  return lessened(others, change);
}

function conflictsWith(others: readonly Manager[], change: VersionedChange, free: FieldSet | undefined): Conflict[] {
  return others.flatMap((manager) => {
    const set = rootIntersection(manager.set, rootDifference(change.in(manager.apiVersion)?.touched, free));
    return set ? [{ with: manager, set }] : [];
  });
}
