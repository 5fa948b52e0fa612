/** What a pod's volumes may say. */
import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  PodSpec,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
  VolumeSource,
} from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isNotNegativeQuantity, isRequired } from '#api/machinery/field-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { validateClaimSpec } from '../persistent-volume-claim.ts';
import { validateFieldRef } from './environment.ts';

const MIN_TOKEN_SECONDS = 10 * 60;
const MAX_TOKEN_SECONDS = 2 ** 32;
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

export const validateVolumes = ({ volumes = [] }: PodSpec, { volumes: at }: At<PodSpec>): FieldError[] =>
  volumes.flatMap((volume, index) => {
    const here = at[index]!;
    const { name, ...source } = volume;
    const twice = volumes.findIndex((other) => other.name === name) < index;
    return [
      ...validateSource(source, here),
      ...(name ? follows(here.name, name, dns1123Label) : [requiredValue(here.name)]),
      ...(name && twice ? [duplicateValue(here.name, name)] : []),
    ];
  });

function validateSource(source: VolumeSource, at: At<Volume>): FieldError[] {
  const given = (Object.keys(source) as (keyof VolumeSource)[]).filter((name) => source[name] !== undefined);
  if (given.length === 0) return [requiredValue(at, 'must specify a volume type')];
  const [first, ...others] = given;
  const rule = first && RULES[first];
  return [
    ...(rule && first ? rule(source[first] as never, at[first] as never) : []),
    ...others.map((name) => forbiddenField(at[name], 'may not specify more than 1 volume type')),
  ];
}

type Rules = {
  [Name in keyof VolumeSource]?: (
    source: NonNullable<VolumeSource[Name]>,
    at: At<NonNullable<VolumeSource[Name]>>,
  ) => FieldError[];
};

const RULES: Rules = {
  emptyDir: ({ sizeLimit }, at) => (sizeLimit === undefined ? [] : isNotNegativeQuantity(at.sizeLimit, sizeLimit)),
  hostPath: ({ path, type }, at) => {
    if (!path) return [requiredValue(at.path)];
    const errors = hasNoBackstep(path, at.path);
    return type && !HOST_PATH_TYPES.includes(type)
      ? [...errors, notSupportedValue(at.type, type, HOST_PATH_TYPES)]
      : errors;
  },
  secret: (source, at) => [
    ...isRequired(at.secretName, source.secretName),
    ...validateMode(source.defaultMode, at.defaultMode),
    ...validateItems(source.items ?? [], at.items),
  ],
  configMap: (source, at) => [
    ...isRequired(at.name, source.name),
    ...validateMode(source.defaultMode, at.defaultMode),
    ...validateItems(source.items ?? [], at.items),
  ],
  downwardAPI: (source, at) => [
    ...validateMode(source.defaultMode, at.defaultMode),
    ...(source.items ?? []).flatMap((item, i) => validateDownwardItem(item, at.items[i]!)),
  ],
  projected: (source, at) => validateProjected(source, at),
  persistentVolumeClaim: ({ claimName }, at) => isRequired(at.claimName, claimName),
  nfs: ({ server, path }, at) => [
    ...isRequired(at.server, server),
    ...(path ? [] : [requiredValue(at.path)]),
    ...(path && !path.startsWith('/') ? [invalidValue(at.path, path, 'must be an absolute path')] : []),
  ],
  iscsi: ({ targetPortal, iqn, lun }, at) => [
    ...isRequired(at.targetPortal, targetPortal),
    ...isRequired(at.iqn, iqn),
    ...(lun < 0 || lun > 255 ? [invalidValue(at.lun, lun, 'must be between 0 and 255, inclusive')] : []),
  ],
  csi: ({ driver }, at) => isRequired(at.driver, driver),
  image: ({ reference }, at) => isRequired(at.reference, reference),
  ephemeral: ({ volumeClaimTemplate: template }, at) =>
    template ? validateClaimSpec(template.spec, at.volumeClaimTemplate.spec) : [requiredValue(at.volumeClaimTemplate)],
};

const validateMode = (mode: number | undefined, at: Path): FieldError[] =>
  mode !== undefined && (mode < 0 || mode > 0o777) ? [invalidValue(at, mode, MODE)] : [];

const validateItems = (items: readonly KeyToPath[], at: At<KeyToPath[]>): FieldError[] =>
  items.flatMap(({ key, path, mode }, index) => [
    ...isRequired(at[index]!.key, key),
    ...isRequired(at[index]!.path, path),
    ...(path ? validateFileName(path, at[index]!.path) : []),
    ...validateMode(mode, at[index]!.mode),
  ]);

/** Below the volume, and not one of the names that the atomic writer uses. */
function validateFileName(path: string, at: Path): FieldError[] {
  const errors: FieldError[] = [];
  if (path.startsWith('/')) errors.push(invalidValue(at, path, 'must be a relative path'));
  errors.push(...hasNoBackstep(path, at));
  if (path.startsWith('..') && !path.startsWith('../') && path !== '..')
    errors.push(invalidValue(at, path, "must not start with '..'"));
  return errors;
}

const hasNoBackstep = (path: string, at: Path): FieldError[] =>
  path.split('/').includes('..') ? [invalidValue(at, path, "must not contain '..'")] : [];

function validateDownwardItem(item: DownwardAPIVolumeFile, at: At<DownwardAPIVolumeFile>): FieldError[] {
  const { path, fieldRef, resourceFieldRef, mode } = item;
  const errors = [...isRequired(at.path, path), ...(path ? validateFileName(path, at.path) : [])];
  if (fieldRef) {
    errors.push(...validateFieldRef(fieldRef, at.fieldRef, 'volume'));
    if (resourceFieldRef)
      errors.push(invalidValue(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
  } else if (resourceFieldRef) {
    errors.push(...isRequired(at.resourceFieldRef.containerName, resourceFieldRef.containerName));
    errors.push(...isRequired(at.resourceFieldRef.resource, resourceFieldRef.resource));
  } else errors.push(requiredValue(at, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateMode(mode, at.mode)];
}

function validateProjected(source: ProjectedVolumeSource, at: At<ProjectedVolumeSource>): FieldError[] {
  const paths = new Set<string>();
  return [
    ...validateMode(source.defaultMode, at.defaultMode),
    ...(source.sources ?? []).flatMap((projection, i) => validateProjection(projection, at.sources[i]!, paths)),
  ];
}

function validateProjection(projection: VolumeProjection, at: At<VolumeProjection>, paths: Set<string>): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken: token, clusterTrustBundle, podCertificate } = projection;
  const errors: FieldError[] = [];
  const take = (path: string | undefined, where: Path) => {
    if (path && paths.has(path)) errors.push(invalidValue(where, path, 'conflicting duplicate paths'));
    if (path) paths.add(path);
  };
  for (const [name, source] of Object.entries({ secret, configMap }) as ['secret' | 'configMap', typeof secret][]) {
    if (!source) continue;
    errors.push(...isRequired(at[name].name, source.name), ...validateItems(source.items ?? [], at[name].items));
    for (const { path } of source.items ?? []) take(path, at);
  }
  for (const [index, item] of (downwardAPI?.items ?? []).entries()) {
    errors.push(...validateDownwardItem(item, at.downwardAPI.items[index]!));
    take(item.path, at);
  }
  if (token) {
    const here = at.serviceAccountToken;
    if (token.expirationSeconds < MIN_TOKEN_SECONDS)
      errors.push(
        invalidValue(
          here.expirationSeconds,
          token.expirationSeconds,
          'may not specify a duration less than 10 minutes',
        ),
      );
    if (token.expirationSeconds > MAX_TOKEN_SECONDS)
      errors.push(
        invalidValue(
          here.expirationSeconds,
          token.expirationSeconds,
          'may not specify a duration larger than 2^32 seconds',
        ),
      );
    if (!token.path) errors.push(requiredValue(here.path));
    else errors.push(...validateFileName(token.path, here.path));
    take(token.path, at);
  }
  const given = [secret, configMap, downwardAPI, token, clusterTrustBundle, podCertificate].filter(Boolean).length;
  if (given === 0) errors.push(requiredValue(at, 'must specify a volume type'));
  if (given > 1) errors.push(forbiddenField(at, 'may not specify more than 1 volume type per source'));
  return errors;
}
