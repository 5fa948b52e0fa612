/**
 * managedFields on a write: an update takes what it changed, an apply takes what its configuration names, or fails when
 * that belongs to somebody else. Source: "Server-Side Apply"; structured-merge-diff, merge.Updater.
 */
import type { JsonObject } from '../json-value.ts';
import type { ManagedFieldsEntry, ObjectMeta } from '../object.ts';
import { mergeConfiguration, pruneUnowned } from './applied-configuration.ts';
import { compareObjects } from './compare.ts';
import { applyConflict, type Conflict } from './conflicts.ts';
import { type FieldSet, fieldSetOf, isSameSet, rootDifference, rootIntersection, rootUnion } from './field-set.ts';
import type { Shape } from './field-shape.ts';
import { capped, isReset, isSameManager, type Manager, readManagers, writeManagers } from './managers.ts';

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

/** A set without what nobody manages. */
export function withoutSystemFields(
  set: FieldSet | undefined,
  isWatched: (field: string) => boolean,
): FieldSet | undefined {
  if (!set) return undefined;
  const kept: Record<string, FieldSet> = {};
  for (const element of Object.keys(set)) {
    if (element === 'f:apiVersion' || element === 'f:kind' || element === '.' || !isWatched(element.slice(2))) continue;
    if (element !== 'f:metadata') kept[element] = set[element]!;
    else {
      const own = Object.entries(set[element]!).filter(([name]) => name !== '.' && !SYSTEM_METADATA.has(name));
      if (own.length > 0) kept[element] = Object.fromEntries(own);
    }
  }
  return fieldSetOf(false, kept);
}

const NEW_OBJECT = Object.freeze({});

/**
 * The managedFields after an update or a create (`live` undefined). What a client sent in them counts, unless it is
 * empty, malformed or comes through a subresource; `[{}]` forgets all. An object that has none stays without.
 */
export function managedFieldsOfUpdate(
  live: Tracked | undefined,
  next: Tracked,
  { shape, writer }: { shape: Shape; writer: Writer },
): ManagedFieldsEntry[] | undefined {
  const standing = live?.metadata?.managedFields;
  const sent = writer.subresource === '' ? next.metadata?.managedFields : undefined;
  if (sent && isReset(sent)) return undefined;
  if (live && !standing?.length && !sent?.length) return undefined;
  const base = sent?.length && sent !== standing ? (readSent(sent) ?? readManagers(standing)) : readManagers(standing);
  if (live && !base?.length) return undefined;
  const { touched, removed } = compareObjects(live ?? NEW_OBJECT, next, shape, writer.isWatched);
  const taken = withoutSystemFields(touched, writer.isWatched);
  const isAsBefore = !taken && !removed;
  if (isAsBefore && (!sent || sent === standing)) return standing;
  const managers = isAsBefore ? base! : afterUpdate(base ?? [], { touched, removed, taken, writer });
  return writeManagers(capped(managers));
}

function readSent(sent: readonly ManagedFieldsEntry[]): Manager[] | undefined {
  const managers = readManagers(sent);
  return managers?.length ? managers : undefined;
}

interface Taking {
  touched: FieldSet | undefined;
  removed: FieldSet | undefined;
  taken: FieldSet | undefined;
  writer: Writer;
}

function afterUpdate(managers: readonly Manager[], { touched, removed, taken, writer }: Taking): Manager[] {
  const self = { ...identityOf(writer), operation: 'Update' as const };
  const left = managers.flatMap((manager) => lessening(manager, rootUnion(touched, removed)));
  if (!taken) return left;
  const own = left.find((manager) => isSameManager(manager, self));
  const set = rootUnion(own?.set, taken)!;
  return [...left.filter((manager) => manager !== own), { ...self, time: writer.now, set }];
}

const identityOf = ({ manager, apiVersion, subresource }: Writer) => ({ manager, apiVersion, subresource });

function lessening(manager: Manager, gone: FieldSet | undefined): Manager[] {
  const set = rootDifference(manager.set, gone);
  if (set === manager.set) return [manager];
  return set ? [{ ...manager, set }] : [];
}

export interface Application {
  configuration: JsonObject;
  /** What the configuration names. */
  named: FieldSet | undefined;
  force: boolean;
  /** What may be taken without force: asked for only when there are conflicts. */
  free?(): FieldSet | undefined;
  shape: Shape;
  writer: Writer;
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
  const named = withoutSystemFields(application.named, writer.isWatched);
  const merged = mergeConfiguration(live ?? {}, configuration, shape) as JsonObject;
  const owned = [...others.map(({ set }) => set), named].reduce<FieldSet | undefined>(rootUnion, undefined);
  const object = reshape(pruneUnowned(merged, shape, { before: own?.set, owned }) as JsonObject);
  const change = compareObjects(live ?? NEW_OBJECT, object, shape, writer.isWatched);
  const left = lessConflicts(others, change, application);
  if (!named) return { object, managedFields: writeManagers(left) };
  const isSame = own && isSameSet(own.set, named) && !change.touched && !change.removed;
  const mine = isSame ? own : { ...self, time: writer.now, set: named };
  return { object, managedFields: writeManagers([...left, mine]) };
}

function managersOf(live: JsonObject, { shape, writer }: Application): Manager[] {
  const managers = readManagers((live as Tracked).metadata?.managedFields) ?? [];
  if (managers.length > 0) return managers;
  const { touched } = compareObjects(NEW_OBJECT, live, shape, writer.isWatched);
  const set = withoutSystemFields(touched, writer.isWatched);
  if (!set) return [];
  const { apiVersion, subresource, now } = writer;
  return [{ manager: BEFORE_FIRST_APPLY, operation: 'Update', apiVersion, subresource, time: now, set }];
}

function lessConflicts(
  others: readonly Manager[],
  { touched, removed }: { touched: FieldSet | undefined; removed: FieldSet | undefined },
  { force, free }: Application,
): Manager[] {
  const conflicts = conflictsWith(others, touched);
  if (conflicts.length > 0 && !force) {
    const left = conflictsWith(others, rootDifference(touched, free?.()));
    if (left.length > 0) throw applyConflict(left);
  }
  return others.flatMap((manager) => lessening(manager, rootUnion(touched, removed)));
}

function conflictsWith(others: readonly Manager[], touched: FieldSet | undefined): Conflict[] {
  return others.flatMap((manager) => {
    const set = rootIntersection(manager.set, touched);
    return set ? [{ with: manager, set }] : [];
  });
}
