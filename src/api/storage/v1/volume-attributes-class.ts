/** VolumeAttributesClass: attributes of volumes that may change while they are used. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { validateParameters, validateProvisioner } from './provisioner-rules.ts';

export type VolumeAttributesClass = schema.VolumeAttributesClass;

export const VolumeAttributesClass = defineKind<schema.VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  scope: 'Cluster',
  shortNames: ['vac'],
  validate: validateClass,
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => [
    ...(next.driverName === current.driverName
      ? []
      : [forbiddenField(at.driverName, 'updates to driverName are forbidden.')]),
    ...(isEqual(next.parameters ?? {}, current.parameters ?? {})
      ? []
      : [forbiddenField(at.parameters, 'updates to parameters are forbidden.')]),
    ...validateClass(next, at),
  ],
  columns: [nameColumn(), column('DriverName', 'string', ({ driverName }) => driverName), ageColumn()],
});

function validateClass(
  { driverName, parameters = {} }: schema.VolumeAttributesClass,
  at: At<schema.VolumeAttributesClass>,
): FieldError[] {
  return [
    ...validateProvisioner(driverName, at.driverName),
    ...validateParameters(parameters, at.parameters),
    ...(Object.keys(parameters).length > 0
      ? []
      : [requiredValue(at.parameters, 'must contain at least one key/value pair')]),
  ];
}
