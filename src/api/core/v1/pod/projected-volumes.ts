/** Files that a volume is made of: what Secrets, ConfigMaps, the pod itself and tokens become. */
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '#api/generated/schema.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { isRequired } from '#api/machinery/field-rules.ts';
import { validateFieldRef, validateResourceRef } from './environment.ts';
import { validateDescending } from './volume-sources.ts';

const MIN_TOKEN_SECONDS = 10 * 60;
const MAX_TOKEN_SECONDS = 2 ** 32;
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';
const KEY_TYPES = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];

export const validateMode = (mode: number | undefined, at: Path): FieldError[] =>
  mode !== undefined && (mode < 0 || mode > 0o777) ? [invalidValue(at, mode, MODE)] : [];

export const validateItems = (items: readonly KeyToPath[], at: At<KeyToPath[]>): FieldError[] =>
  items.flatMap(({ key, path, mode }, index) => [
    ...isRequired(at[index]!.key, key),
    ...isRequired(at[index]!.path, path),
    ...(path ? validateFileName(path, at[index]!.path) : []),
    ...validateMode(mode, at[index]!.mode),
  ]);

/** Below the volume, and not one of the names that the atomic writer uses. */
const validateFileName = (path: string, at: Path): FieldError[] => [
  ...validateDescending(path, at),
  ...(path.startsWith('..') && !path.startsWith('../') ? [invalidValue(at, path, "must not start with '..'")] : []),
];

/** `at`: of the volume, which is where upstream sees what is wrong with one of its files. */
export const validateDownwardFiles = (files: readonly DownwardAPIVolumeFile[], at: Path): FieldError[] =>
  files.flatMap((file) => validateDownwardFile(file, at as At<DownwardAPIVolumeFile>));

function validateDownwardFile(file: DownwardAPIVolumeFile, at: At<DownwardAPIVolumeFile>): FieldError[] {
  const { path, fieldRef, resourceFieldRef, mode } = file;
  const errors = [...isRequired(at.path, path), ...(path ? validateFileName(path, at.path) : [])];
  if (fieldRef) {
    errors.push(...validateFieldRef(fieldRef, at.fieldRef, 'volume'));
    if (resourceFieldRef)
      errors.push(invalidValue(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
  } else if (resourceFieldRef) errors.push(...validateResourceRef(resourceFieldRef, at.resourceFieldRef, 'volume'));
  else errors.push(requiredValue(at, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateMode(mode, at.mode)];
}

export function validateProjected(source: ProjectedVolumeSource, at: At<ProjectedVolumeSource>): FieldError[] {
  const taken = new Set<string>();
  /** `told`: what upstream shows, which is the name of what holds the file for some. */
  const take = (path: string | undefined, told = path): FieldError[] => {
    if (!path) return [];
    const isTwice = taken.has(path);
    taken.add(path);
    return isTwice ? [invalidValue(at, told ?? path, 'conflicting duplicate paths')] : [];
  };
  return (source.sources ?? []).flatMap((projection, i) =>
    validateProjection(projection, at.sources[i]!, { at, take }),
  );
}

interface Projected {
  at: At<ProjectedVolumeSource>;
  take(path: string | undefined, told?: string): FieldError[];
}

function validateProjection(
  projection: VolumeProjection,
  at: At<VolumeProjection>,
  { at: volume, take }: Projected,
): FieldError[] {
  const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = projection;
  const errors: FieldError[] = [];
  for (const [name, source] of Object.entries({ secret, configMap }) as ['secret' | 'configMap', typeof secret][]) {
    if (!source) continue;
    errors.push(...isRequired(at[name].name, source.name));
    for (const [index, item] of (source.items ?? []).entries())
      errors.push(...validateItemAt(item, at[name].items[index]!), ...take(item.path, source.name));
  }
  for (const file of downwardAPI?.items ?? [])
    errors.push(...validateDownwardFiles([file], at.downwardAPI), ...take(file.path));
  if (serviceAccountToken)
    errors.push(
      ...validateToken(serviceAccountToken, at.serviceAccountToken, volume as unknown as At<{ path: string }>),
    );
  if (clusterTrustBundle) {
    errors.push(...validateTrustBundle(clusterTrustBundle, at.clusterTrustBundle));
    errors.push(...take(clusterTrustBundle.path));
  }
  if (podCertificate) errors.push(...validateCertificate(podCertificate, at.podCertificate, take));
  const given = Object.values(projection).filter((one) => one !== undefined).length;
  if (given > 1) errors.push(forbiddenField(at, 'may not specify more than 1 volume type per source'));
  return errors;
}

const validateItemAt = (item: KeyToPath, at: At<KeyToPath>): FieldError[] => [
  ...isRequired(at.key, item.key),
  ...isRequired(at.path, item.path),
  ...(item.path ? validateFileName(item.path, at.path) : []),
  ...validateMode(item.mode, at.mode),
];

function validateToken(
  { expirationSeconds: seconds, path }: ServiceAccountTokenProjection,
  at: At<ServiceAccountTokenProjection>,
  volume: At<{ path: string }>,
): FieldError[] {
  const refuse = (text: string) => [invalidValue(at.expirationSeconds, seconds, text)];
  return [
    ...(seconds < MIN_TOKEN_SECONDS ? refuse('may not specify a duration less than 10 minutes') : []),
    ...(seconds > MAX_TOKEN_SECONDS ? refuse('may not specify a duration larger than 2^32 seconds') : []),
    ...(path ? validateFileName(path, volume.path) : [requiredValue(volume.path)]),
  ];
}

function validateTrustBundle(
  { name, signerName, labelSelector, path }: ClusterTrustBundleProjection,
  at: At<ClusterTrustBundleProjection>,
): FieldError[] {
  const errors: FieldError[] = [];
  if (name !== undefined && signerName !== undefined)
    errors.push(invalidValue(at, { name, signerName, path }, 'only one of name and signerName may be used'));
  else if (name !== undefined) {
    if (!name) errors.push(requiredValue(at.name, 'must be a valid object name'));
    if (labelSelector)
      errors.push(invalidValue(at.labelSelector, labelSelector, 'labelSelector must be unset if name is specified'));
  } else if (signerName === undefined) errors.push(requiredValue(at, 'either name or signerName must be specified'));
  else if (!signerName) errors.push(requiredValue(at.signerName, 'must be a valid signer name'));
  return [...errors, ...(path ? validateFileName(path, at.path) : [requiredValue(at.path)])];
}

const DAY = 24 * 60 * 60;

function validateCertificate(
  source: PodCertificateProjection,
  at: At<PodCertificateProjection>,
  take: Projected['take'],
): FieldError[] {
  const { signerName, keyType, maxExpirationSeconds: seconds } = source;
  const errors: FieldError[] = [];
  if (!KEY_TYPES.includes(keyType)) errors.push(notSupportedValue(at.keyType, keyType ?? '', KEY_TYPES));
  const most = signerName?.split('/')[0]?.endsWith('kubernetes.io') ? DAY : 91 * DAY;
  const refuse = (text: string) => errors.push(invalidValue(at.maxExpirationSeconds, seconds, text));
  if (seconds !== undefined && seconds < 3600) refuse('if provided, maxExpirationSeconds must be >= 3600');
  if (seconds !== undefined && seconds > most) refuse(`if provided, maxExpirationSeconds must be <= ${most}`);
  const paths = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const;
  for (const name of paths)
    if (source[name]) errors.push(...validateFileName(source[name], at[name]), ...take(source[name]));
  if (paths.every((name) => !source[name]))
    errors.push(requiredValue(at, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath'));
  return errors;
}
