/** What of a claim may still change, and what its status may say. Source: API reference, core/v1; KEP-284, KEP-1790, KEP-3751. */
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path, root } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { compareQuantities, quantityValue } from '#api/machinery/quantity.ts';
import { differenceOf } from '#api/machinery/unified-diff.ts';

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class';
const FROZEN =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const RESIZE_STATUSES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

export function validateClaimUpdate({ next, current, at }: Change<PersistentVolumeClaim>): FieldError[] {
  const [wanted, had] = [storageOf(next.spec), storageOf(current.spec)];
  const allowed = changeable(next, current);
  const shrinks =
    compareQuantities(wanted, had) < 0 && compareQuantities(wanted, current.status?.capacity?.['storage'] ?? '0') <= 0;
  return [
    ...(isClassMoved(next, current) ? [] : validateOldClass(next, current)),
    ...(isEqual(allowed, next.spec)
      ? []
      : [
          forbiddenField(
            at.spec,
            `${FROZEN}\n${differenceOf(current.spec, withKept(next.spec, allowed, current.spec))}`,
          ),
        ]),
    ...(shrinks
      ? [
          forbiddenField(
            keyedBelow(at.spec.resources.requests, 'storage'),
            'field can not be less than status.capacity',
          ),
        ]
      : []),
    ...isImmutable(root<string>('volumeMode'), next.spec.volumeMode ?? null, current.spec.volumeMode ?? null),
    ...validateAttributesClass(next, current, at.spec.volumeAttributesClassName),
  ];
}

const storageOf = (spec: PersistentVolumeClaimSpec): string => spec.resources?.requests?.['storage'] ?? '0';

const keyedBelow = (map: Path, key: string): Path => root<string>(`${String(map)}.${key}`);

/** The current specification with all that this change may touch taken from the next one. */
function changeable(next: PersistentVolumeClaim, current: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const [now, before] = [next.spec, current.spec];
  const isBound = current.status?.phase === 'Bound';
  const takesClass = isClassMoved(next, current) || isClassGiven(next, current);
  return {
    ...before,
    ...(!before.volumeName && { volumeName: now.volumeName }),
    ...(takesClass && { storageClassName: now.storageClassName }),
    ...(isBound && {
      volumeAttributesClassName: now.volumeAttributesClassName,
      resources: withStorage(before.resources, now.resources?.requests?.['storage']),
    }),
  };
}

type Resources = PersistentVolumeClaimSpec['resources'];

const withStorage = (resources: Resources, storage: string | undefined): Resources =>
  storage === undefined ? resources : { ...resources, requests: { ...resources?.requests, storage } };

/** What may change is not shown as a difference. */
const withKept = (
  next: PersistentVolumeClaimSpec,
  allowed: PersistentVolumeClaimSpec,
  current: PersistentVolumeClaimSpec,
): PersistentVolumeClaimSpec =>
  Object.fromEntries(
    [...new Set([...Object.keys(next), ...Object.keys(current)])].map((name) => {
      const field = name as keyof PersistentVolumeClaimSpec;
      return [name, isEqual(allowed[field], next[field]) ? current[field] : next[field]];
    }),
  ) as unknown as PersistentVolumeClaimSpec;

/** From the annotation of old into the field. */
function isClassMoved(next: PersistentVolumeClaim, current: PersistentVolumeClaim): boolean {
  const [was, is] = [oldClass(current), oldClass(next)];
  if (was === undefined || current.spec.storageClassName !== undefined) return false;
  return next.spec.storageClassName === was && (is === undefined || is === was);
}

/** To a claim that waits for a default class. */
function isClassGiven(next: PersistentVolumeClaim, current: PersistentVolumeClaim): boolean {
  const { storageClassName } = next.spec;
  if (storageClassName === undefined || current.spec.storageClassName !== undefined) return false;
  return [undefined, storageClassName].includes(oldClass(current));
}

const oldClass = ({ metadata }: PersistentVolumeClaim): string | undefined => metadata.annotations?.[OLD_CLASS];

const validateOldClass = (next: PersistentVolumeClaim, current: PersistentVolumeClaim): FieldError[] =>
  isImmutable(root<string>(`metadata.annotations.${OLD_CLASS}`), oldClass(next) ?? '', oldClass(current) ?? '');

function validateAttributesClass(next: PersistentVolumeClaim, current: PersistentVolumeClaim, at: Path): FieldError[] {
  const name = next.spec.volumeAttributesClassName;
  if (name === current.spec.volumeAttributesClassName) return [];
  if (current.status?.currentVolumeAttributesClassName === undefined || name) return [];
  const to = name === undefined ? 'nil' : 'empty string';
  const text = `update to ${to} is forbidden when status.currentVolumeAttributesClassName is not nil`;
  return [forbiddenField(at, text)];
}

export function validateClaimStatus({ next, at: { status: at } }: Change<PersistentVolumeClaim>): FieldError[] {
  const { capacity = {}, allocatedResourceStatuses = {}, allocatedResources = {} } = next.status ?? {};
  return [
    ...(next.spec.accessModes?.length ? [] : [requiredValue('Spec.accessModes')]),
    ...Object.entries(capacity).flatMap(([name, amount]) => validateAmount(amount, keyed(at.capacity, name))),
    ...Object.entries(allocatedResourceStatuses).flatMap(([name, status]) => [
      ...validateKey(name, at.allocatedResourceStatuses),
      ...(RESIZE_STATUSES.includes(status)
        ? []
        : [notSupportedValue(at.allocatedResourceStatuses, name, RESIZE_STATUSES)]),
    ]),
    ...Object.entries(allocatedResources).flatMap(([name, amount]) => {
      const errors = validateKey(name, at.allocatedResources);
      return errors.length > 0 ? errors : validateAmount(amount, keyed(at.allocatedResources, name));
    }),
  ];
}

const validateAmount = (amount: string, at: Path): FieldError[] =>
  compareQuantities(amount, '0') < 0
    ? [invalidValue(at, quantityValue(amount), 'must be a valid resource quantity')]
    : [];

/** Of resources of Kubernetes' own only storage. */
function validateKey(name: string, at: At<unknown>): FieldError[] {
  const errors = follows(at, name, qualifiedName);
  const isNative = !name.includes('/') || name.includes('kubernetes.io/');
  return errors.length > 0 || !isNative || name === 'storage' ? errors : [notSupportedValue(at, name, ['storage'])];
}
