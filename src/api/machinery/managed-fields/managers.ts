/** metadata.managedFields: who set what, one entry a manager, operation, version and subresource. Source: ObjectMeta; apimachinery, managedfields. */
import type { ManagedFieldsEntry } from '../object.ts';
import { type FieldSet, readFieldSet, rootUnion } from './field-set.ts';

/** One entry, read. */
export interface Manager {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string | undefined;
  set: FieldSet;
  /** From which it was read. */
  entry?: ManagedFieldsEntry;
}

const FIELDS_TYPE = 'FieldsV1';
/** Who holds what many updates of long ago set. */
const ANCIENT = 'ancient-changes';
const MAX_UPDATE_MANAGERS = 10;

/** `[{}]`: forget all that is known. */
export const isReset = (entries: readonly ManagedFieldsEntry[]): boolean =>
  entries.length === 1 && Object.keys(entries[0]!).length === 0;

/** undefined when something in it is no account of fields. */
export const readManagers = (entries: readonly ManagedFieldsEntry[] | undefined): Manager[] | undefined =>
  managersIn(entries, readFieldSet);

/** Of a stored object: what stands there was judged when it was written. */
export const standingManagers = (entries: readonly ManagedFieldsEntry[] | undefined): Manager[] | undefined =>
  managersIn(entries, (fields) => fields as FieldSet);

/** Why something in it is no account of fields, mostly in upstream's words; undefined when all of it is. */
export function problemOfManagers(entries: readonly ManagedFieldsEntry[]): string | undefined {
  for (const [index, { operation, apiVersion, fieldsType, fieldsV1 }] of entries.entries()) {
    if (operation !== 'Apply' && operation !== 'Update') return 'operation must be `Apply` or `Update`';
    if (!apiVersion) return 'apiVersion must not be empty';
    if (!fieldsType) return `missing fieldsType in managed fields entry ${index}`;
    if (fieldsType !== FIELDS_TYPE)
      return `invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${index}`;
    if (!readFieldSet(fieldsV1 ?? {})) return `error decoding versioned set from managed fields entry ${index}`;
  }
  return undefined;
}

function managersIn(
  entries: readonly ManagedFieldsEntry[] | undefined,
  read: (fields: object) => FieldSet | undefined,
): Manager[] | undefined {
  const managers: Manager[] = [];
  for (const entry of entries ?? []) {
    const { manager = '', operation, apiVersion = '', subresource = '', time, fieldsType, fieldsV1 } = entry;
    if (fieldsType !== FIELDS_TYPE || (operation !== 'Apply' && operation !== 'Update')) return undefined;
    const set = read(fieldsV1 ?? {});
    if (!set) return undefined;
    if (!isNothing(set)) managers.push({ manager, operation, apiVersion, subresource, time, set, entry });
  }
  return managers;
}

/** Frozen by whoever stores it. undefined when there is none. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] | undefined {
  if (managers.length === 0) return undefined;
  const sorted = managers.length === 1 ? managers : [...managers].sort(byAge);
  return sorted.map(entryOf);
}

/** The one that it was read from where that says the same. Without spreading: this is on the way of every write. */
function entryOf({
  manager,
  operation,
  apiVersion,
  subresource,
  time,
  set,
  entry: known,
}: Manager): ManagedFieldsEntry {
  if (known && known.fieldsV1 === set && known.time === time && known.manager === manager) return known;
  const entry: ManagedFieldsEntry = {};
  if (manager) entry.manager = manager;
  entry.operation = operation;
  entry.apiVersion = apiVersion;
  if (time) entry.time = time;
  entry.fieldsType = FIELDS_TYPE;
  entry.fieldsV1 = set;
  if (subresource) entry.subresource = subresource;
  return entry;
}

function isNothing(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
/** All are of metav1.Time's one form. */
const timeOf = ({ time }: Manager): string => time ?? NO_TIME;
const NO_TIME = '1970-01-01T00:00:00Z';

const byAge = (a: Manager, b: Manager): number =>
  text(a.operation, b.operation) ||
  text(timeOf(a), timeOf(b)) ||
  text(a.manager, b.manager) ||
  text(a.apiVersion, b.apiVersion) ||
  text(a.subresource, b.subresource);

/** Who applies is the same in every version; who updates is not. */
export const isSameManager = (a: Omit<Manager, 'set' | 'time'>, b: Omit<Manager, 'set' | 'time'>): boolean =>
  a.manager === b.manager &&
  a.operation === b.operation &&
  a.subresource === b.subresource &&
  (a.operation === 'Apply' || a.apiVersion === b.apiVersion);

/** Not more than ten entries of updates: the oldest of one version become one. */
export function capped(managers: readonly Manager[]): readonly Manager[] {
  const updates = managers.filter(({ operation }) => operation === 'Update');
  let surplus = updates.length - MAX_UPDATE_MANAGERS;
  if (surplus <= 0) return managers;
  let kept = [...managers];
  const firsts = new Map<string, Manager>();
  for (const manager of updates.sort(byAge)) {
    if (surplus <= 0) break;
    const first = firsts.get(manager.apiVersion);
    if (first) {
      const set = rootUnion(first.set, manager.set)!;
      const bucket: Manager = { ...manager, manager: ANCIENT, subresource: '', set, entry: undefined };
      kept = [...kept.filter((other) => other !== first && other !== manager), bucket];
      firsts.set(manager.apiVersion, bucket);
      surplus -= 1;
    } else firsts.set(manager.apiVersion, manager);
  }
  return kept;
}
