/** DeviceClass: a sort of device that claims may ask for. Source: API reference, resource.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { tooMany } from '#api/machinery/field-error.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';

export type DeviceClass = schema.DeviceClass;

const MAX_SELECTORS = 32;

export const DeviceClass = defineKind<schema.DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: (deviceClass) => ({ ...deviceClass, spec: deviceClass.spec ?? {} }) as schema.DeviceClass,
  validate: ({ spec: { selectors = [], config = [], extendedResourceName } }, { spec: at }) => [
    ...(selectors.length > MAX_SELECTORS ? [tooMany(at.selectors, selectors.length, MAX_SELECTORS)] : []),
    ...(config.length > MAX_SELECTORS ? [tooMany(at.config, config.length, MAX_SELECTORS)] : []),
    ...(extendedResourceName === undefined
      ? []
      : follows(at.extendedResourceName, extendedResourceName, qualifiedName)),
  ],
  columns: [nameColumn(), ageColumn()],
});
