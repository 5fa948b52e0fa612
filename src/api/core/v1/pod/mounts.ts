/** Where a container finds its volumes: as folders and files, or as devices. */
import type { Container, Volume, VolumeDevice, VolumeMount } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, notFoundValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf, isRequired } from '#api/machinery/field-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateDescending } from './volume-sources.ts';

type Volumes = ReadonlyMap<string, Volume>;

export function validateMounts(container: Container, { volumeMounts: at }: At<Container>, volumes: Volumes) {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const repeated = repeatedIn(mounts.map(({ mountPath = '' }) => mountPath));
  const asDevices = new Set(devices.map((device) => device.name));
  const devicePaths = new Set(devices.map(({ devicePath }) => devicePath));
  return mounts.flatMap((mount, index): FieldError[] => {
    const { name, mountPath = '' } = mount;
    const here = at[index]!;
    const refuse = (field: 'name' | 'mountPath', text: string) => [invalidValue(here[field], mount[field] ?? '', text)];
    return [
      ...isRequired(here.name, name),
      ...(volumes.has(name) ? [] : [notFoundValue(here.name, name ?? '')]),
      ...isRequired(here.mountPath, mountPath),
      ...(repeated.has(index) ? refuse('mountPath', 'must be unique') : []),
      ...(asDevices.has(name) ? refuse('name', 'must not already exist in volumeDevices') : []),
      ...(devicePaths.has(mountPath) ? refuse('mountPath', 'must not already exist as a path in volumeDevices') : []),
      // Upstream names what follows without the number of the mount.
      ...validateMountOptions(mount, at as unknown as At<VolumeMount>, { container, expression: here.subPathExpr }),
    ];
  });
}

interface Mounted {
  container: Container;
  expression: At<string | undefined>;
}

function validateMountOptions(
  mount: VolumeMount,
  at: At<VolumeMount>,
  { container, expression }: Mounted,
): FieldError[] {
  const { subPath, subPathExpr, mountPropagation: propagation, recursiveReadOnly: recursive } = mount;
  const errors = subPath ? validateDescending(subPath, at.subPath) : [];
  if (subPathExpr) {
    if (subPath) errors.push(invalidValue(expression, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    errors.push(...validateDescending(subPathExpr, at.subPathExpr));
  }
  errors.push(...isOneOf(at.mountPropagation, propagation, ['Bidirectional', 'HostToContainer', 'None']));
  const refuse = (field: 'mountPropagation' | 'recursiveReadOnly', text: string) =>
    errors.push(forbiddenField(at[field], text));
  if (propagation === 'Bidirectional' && !container.securityContext?.privileged)
    refuse('mountPropagation', 'Bidirectional mount propagation is available only to privileged containers');
  if (recursive === 'Enabled' || recursive === 'IfPossible') {
    if (!mount.readOnly) refuse('recursiveReadOnly', 'may only be specified when readOnly is true');
    if (propagation !== undefined && propagation !== 'None')
      refuse('recursiveReadOnly', 'may only be specified when mountPropagation is None or not specified');
  } else errors.push(...isOneOf(at.recursiveReadOnly, recursive, ['Disabled', 'Enabled', 'IfPossible']));
  return errors;
}

export function validateDevices(container: Container, { volumeDevices: at }: At<Container>, volumes: Volumes) {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const repeatedNames = repeatedIn(devices.map(({ name }) => name));
  const repeatedPaths = repeatedIn(devices.map(({ devicePath = '' }) => devicePath));
  const asMounts = new Set(mounts.map((mount) => mount.name));
  const mountPaths = new Set(mounts.map(({ mountPath }) => mountPath));
  return devices.flatMap((device, index): FieldError[] => {
    const { name = '', devicePath: path = '' } = device;
    const here = at[index]!;
    const volume = volumes.get(name);
    const refuse = (field: keyof VolumeDevice, text: string) => [invalidValue(here[field], device[field] ?? '', text)];
    return [
      ...isRequired(here.name, name),
      ...(name && repeatedNames.has(index) ? refuse('name', 'must be unique') : []),
      ...(volume && !volume.persistentVolumeClaim && !volume.ephemeral
        ? refuse('name', 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode')
        : []),
      ...(volume ? [] : [notFoundValue(here.name, name)]),
      ...isRequired(here.devicePath, path),
      ...(repeatedPaths.has(index) ? refuse('devicePath', 'must be unique') : []),
      ...(path.split('/').includes('..') ? refuse('devicePath', "can not contain backsteps ('..')") : []),
      ...(asMounts.has(name) ? refuse('name', 'must not already exist in volumeMounts') : []),
      ...(mountPaths.has(path) ? refuse('devicePath', 'must not already exist as a path in volumeMounts') : []),
    ];
  });
}
