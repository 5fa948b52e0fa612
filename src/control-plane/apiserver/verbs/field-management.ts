/** Who manages which field: kept with every write that a client asked for. The rules stand in api/machinery/managed-fields. */
import { isEqual } from '#api/machinery/equal.ts';
import { apiVersionOf, type Kind, type KindRegistry } from '#api/machinery/kind.ts';
import { managedFieldsOfUpdate, type Writer } from '#api/machinery/managed-fields/field-tracking.ts';
import { problemOfManagers } from '#api/machinery/managed-fields/managers.ts';
import {
  type KubeObject,
  type ManagedFieldsEntry,
  type ObjectMeta,
  withMeta,
  withParts,
} from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { remembering } from '#base/remembering.ts';
import { otherwise, type Soon } from '#base/soon.ts';
import type { ResourceCall } from '../resource-call.ts';
import { fieldShapeOf, withVersions } from './field-versions.ts';
import { timestampOf } from './object-identity.ts';

const MAX_MANAGER = 128;

/**
 * The rest of a User-Agent, from its first slash, changes with every release. There are few agents, and each of them writes
 * often. Source: upstream's handlers, prefixFromUserAgent.
 */
const managerByAgent = remembering(
  (userAgent: string) => {
    const [program = ''] = userAgent.split('/', 1);
    return program.replace(/[^\x20-\x7e]/g, '').slice(0, MAX_MANAGER);
  },
  { most: 1_000, longest: 256 },
);

const managerOf = ({ info, userAgent = '' }: ResourceCall): string =>
  (info.query.size > 0 && info.query.get('fieldManager')) || managerByAgent(userAgent);

export function writerOf(call: ResourceCall, { clock }: { clock: Clock }): Writer {
  const { kind, info } = call;
  const { subresource } = info;
  return {
    manager: managerOf(call),
    apiVersion: apiVersionOf(kind),
    subresource,
    now: timestampOf(clock.now()),
    isWatched: watchedBy(call),
    ...(subresource === 'status' && kind.statusKeeps && { leaves: leftBy(kind) }),
  };
}

const left = new WeakMap<Kind, ReadonlySet<string>>();

function leftBy(kind: Kind): ReadonlySet<string> {
  const known = left.get(kind) ?? new Set(kind.statusKeeps!.map((field) => `f:${field}`));
  left.set(kind, known);
  return known;
}

/** The object itself does not set its status, nor its status anything but itself. */
function watchedBy({ kind, info }: ResourceCall): (field: string) => boolean {
  if (info.subresource === 'status') return isOfStatus;
  return kind.subresources.some(({ name }) => name === 'status') ? isOfObject : always;
}

const isOfStatus = (field: string): boolean => field === 'status' || field === 'metadata';
const isOfObject = (field: string): boolean => field !== 'status';
const always = (): boolean => true;

export function withManagedFieldsOfUpdate<T extends KubeObject>(
  call: ResourceCall<T>,
  { live, next }: { live: T | undefined; next: T },
  { clock, kinds }: { clock: Clock; kinds: KindRegistry },
): Soon<T> {
  const kind = call.kind as unknown as Kind;
  const writer = writerOf(call as unknown as ResourceCall, { clock });
  const shape = fieldShapeOf(kind);
  return otherwise(
    () =>
      withVersions(kind, kinds, (inVersion) =>
        withManagedFields(next, managedFieldsOfUpdate(live, next, { shape, writer, inVersion })),
      ),
    (error) => {
      // No write fails for its account: one that cannot be brought up to date is dropped, as upstream does.
      if (error instanceof StatusError) return withManagedFields(next, undefined);
      throw error;
    },
  );
}

export function withManagedFields<T extends KubeObject>(object: T, managedFields: ManagedFieldsEntry[] | undefined): T {
  if (managedFields === object.metadata.managedFields) return object;
  if (managedFields) return withParts(object, { metadata: withMeta(object.metadata, { managedFields }) });
  const { managedFields: _, ...metadata } = object.metadata;
  return withParts(object, { metadata: metadata as ObjectMeta });
}

/** A write that changes nothing but the time at which somebody set the same again is no write. */
export function withTimesOfNoChange<T extends KubeObject>(next: T, current: T): T {
  const [entries, standing] = [next.metadata.managedFields, current.metadata.managedFields];
  if (!entries || !standing || entries === standing || entries.length !== standing.length) return next;
  if (hasOtherParts(next, current)) return next; // mostly: then nothing has to be copied for it
  if (!entries.every((entry, index) => isSameButTime(entry, standing[index]!))) return next;
  const untimed = withManagedFields(next, standing);
  return isEqual(untimed, current) ? untimed : next;
}

function hasOtherParts<T extends KubeObject>(next: T, current: T): boolean {
  for (const part in next) if (part !== 'metadata' && !isEqual(next[part], current[part])) return true;
  return false;
}

/** Without spreading: most writes are of who wrote before. */
function isSameButTime(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  if (a === b) return true;
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    a.apiVersion === b.apiVersion &&
    a.fieldsType === b.fieldsType &&
    isEqual(a.fieldsV1, b.fieldsV1)
  );
}

/**
 * What admission made of the account of fields counts, unless it is none any more: then that of `before` stays, and the client
 * is told. Later writes rely on what stands.
 */
export function withReadableAccount<T extends KubeObject>(admitted: T, before: T, warn: (text: string) => void): T {
  const [entries, standing] = [admitted.metadata.managedFields, before.metadata.managedFields];
  if (!entries || entries === standing || isEqual(entries, standing)) return admitted;
  const problem = problemOfManagers(entries);
  if (problem === undefined) return admitted;
  warn(
    `.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: ${problem}`,
  );
  return withManagedFields(admitted, standing);
}
