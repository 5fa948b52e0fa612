/** DeviceClass: a sort of device that claims may ask for. Source: API reference, resource.k8s.io/v1. */

import { isExtendedResource } from '#api/core/v1/resource-names.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { validateDeviceConfiguration, validateSelectors } from './device-configuration.ts';
import { validateList } from './device-names.ts';

export type DeviceClass = schema.DeviceClass;

const MAX_CONFIG = 32;
const MAX_NAME = 253;

export const DeviceClass = defineKind<schema.DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  name: (name) => (name.length > MAX_NAME ? [`must be no more than ${MAX_NAME} bytes`] : dns1123Subdomain(name)),
  generationOf: ({ spec }) => spec,
  defaults: (deviceClass) => ({ ...deviceClass, spec: deviceClass.spec ?? {} }) as schema.DeviceClass,
  validate: ({ spec: { selectors, config, extendedResourceName: name } }, { spec: at }) => [
    ...validateSelectors(selectors, at.selectors),
    ...validateList(config, at.config, { max: MAX_CONFIG, item: validateDeviceConfiguration }),
    ...(name === undefined || isExtendedResource(name)
      ? []
      : [invalidValue(at.extendedResourceName, name, 'must be a valid extended resource name')]),
  ],
  columns: [nameColumn(), ageColumn()],
});
