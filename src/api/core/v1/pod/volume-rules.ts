/** What a pod's volumes may say. */
import type { PersistentVolumeClaimTemplate, Pod, PodSpec, Volume, VolumeSource } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isRequired, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { validateTemplateMetadata } from '#api/machinery/template-metadata.ts';
import { validateClaimSpec } from '../persistent-volume-claim.ts';
import { validateDownwardFiles, validateItems, validateMode, validateProjected } from './projected-volumes.ts';
import { SOURCE_RULES, validateDriverName } from './volume-sources.ts';

export interface CheckedVolumes {
  errors: FieldError[];
  /** By name, those that nothing is wrong with: only they can be mounted. */
  usable: ReadonlyMap<string, Volume>;
}

/** `pod`: its metadata, where it is known. */
export function checkVolumes(
  { volumes = [] }: PodSpec,
  { volumes: at }: At<PodSpec>,
  pod?: Pod['metadata'],
): CheckedVolumes {
  const errors: FieldError[] = [];
  const usable = new Map<string, Volume>();
  const claims = pod?.name ? volumes.filter(({ ephemeral }) => ephemeral).map(({ name }) => `${pod.name}-${name}`) : [];
  for (const [index, volume] of volumes.entries()) {
    const here = at[index]!;
    const { name } = volume;
    const complaints = [
      ...validateSource(volume, here, pod?.name),
      ...(name ? follows(here.name, name, dns1123Label) : [requiredValue(here.name)]),
      ...(usable.has(name) ? [duplicateValue(here.name, name)] : []),
    ];
    if (complaints.length === 0) usable.set(name, volume);
    errors.push(...complaints);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim && claims.includes(claim)) {
      const text = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.push(invalidValue(here.persistentVolumeClaim.claimName, claim, text));
    }
  }
  return { errors, usable };
}

type Rules = {
  [Name in keyof VolumeSource]-?: (
    source: NonNullable<VolumeSource[Name]>,
    at: At<NonNullable<VolumeSource[Name]>>,
  ) => FieldError[];
};

/** In upstream's order: the first that is given is the volume, the others are too many. */
const RULES: Rules = {
  emptyDir: ({ sizeLimit }, at) =>
    sizeLimit !== undefined && compareQuantities(sizeLimit, '0') < 0
      ? [forbiddenField(at.sizeLimit, 'SizeLimit field must be a valid resource quantity')]
      : [],
  hostPath: SOURCE_RULES.hostPath,
  gitRepo: SOURCE_RULES.gitRepo,
  gcePersistentDisk: SOURCE_RULES.gcePersistentDisk,
  awsElasticBlockStore: SOURCE_RULES.awsElasticBlockStore,
  secret: (source, at) => [
    ...isRequired(at.secretName, source.secretName),
    ...validateMode(source.defaultMode, at.defaultMode),
    ...validateItems(source.items ?? [], at.items),
  ],
  nfs: SOURCE_RULES.nfs,
  iscsi: SOURCE_RULES.iscsi,
  glusterfs: SOURCE_RULES.glusterfs,
  flocker: SOURCE_RULES.flocker,
  persistentVolumeClaim: ({ claimName }, at) => isRequired(at.claimName, claimName),
  rbd: SOURCE_RULES.rbd,
  cinder: SOURCE_RULES.cinder,
  cephfs: SOURCE_RULES.cephfs,
  quobyte: SOURCE_RULES.quobyte,
  downwardAPI: (source, at) => [
    ...validateMode(source.defaultMode, at.defaultMode),
    ...validateDownwardFiles(source.items ?? [], at),
  ],
  fc: SOURCE_RULES.fc,
  flexVolume: SOURCE_RULES.flexVolume,
  configMap: (source, at) => [
    ...isRequired(at.name, source.name),
    ...validateMode(source.defaultMode, at.defaultMode),
    ...validateItems(source.items ?? [], at.items),
  ],
  azureFile: ({ secretName, shareName }, at) => [
    ...isRequired(at.secretName, secretName),
    ...isRequired(at.shareName, shareName),
  ],
  vsphereVolume: SOURCE_RULES.vsphereVolume,
  photonPersistentDisk: SOURCE_RULES.photonPersistentDisk,
  portworxVolume: SOURCE_RULES.portworxVolume,
  azureDisk: SOURCE_RULES.azureDisk,
  storageos: SOURCE_RULES.storageos,
  projected: (source, at) => [...validateMode(source.defaultMode, at.defaultMode), ...validateProjected(source, at)],
  scaleIO: SOURCE_RULES.scaleIO,
  csi: ({ driver, nodePublishSecretRef: secret }, at) => [
    ...validateDriverName(driver, at.driver),
    ...(secret && !secret.name ? [requiredValue(at.nodePublishSecretRef.name)] : []),
    ...(secret?.name ? follows((at as unknown as At<Volume>).name, secret.name, dns1123Subdomain) : []),
  ],
  ephemeral: ({ volumeClaimTemplate: template }, at) =>
    template ? validateClaimTemplate(template, at.volumeClaimTemplate) : [requiredValue(at.volumeClaimTemplate)],
  image: ({ reference, pullPolicy }, at) => [
    ...isRequired(at.reference, reference),
    ...mustBeOneOf(at.pullPolicy, pullPolicy, ['Always', 'IfNotPresent', 'Never']),
  ],
};

const NAMES = Object.keys(RULES) as (keyof VolumeSource)[];

/** Where upstream names a field as nobody else does. */
const ODD_PATHS: Partial<Record<keyof VolumeSource, string>> = { gcePersistentDisk: 'persistentDisk' };
const ODD_PATHS_OF_OTHERS: Partial<Record<keyof VolumeSource, string>> = {
  cephfs: 'cephFS',
  downwardAPI: 'downwarAPI',
};

function validateSource(volume: Volume, at: At<Volume>, podName: string | undefined): FieldError[] {
  const [first, ...others] = NAMES.filter((name) => volume[name] !== undefined);
  if (!first) return [requiredValue(at, 'must specify a volume type')];
  const child = (name: string) => at[name as keyof Volume] as Path;
  const rule = RULES[first] as (source: unknown, at: Path) => FieldError[];
  return [
    ...rule(volume[first], child(ODD_PATHS[first] ?? first)),
    ...(first === 'ephemeral' ? validateClaimName(volume.name, at, podName) : []),
    ...others.map((name) =>
      forbiddenField(child(ODD_PATHS_OF_OTHERS[name] ?? name), 'may not specify more than 1 volume type'),
    ),
    ...validatePortal(volume, at),
  ];
}

/** The claim that is made for the volume is named after both. */
function validateClaimName(name: string, at: At<Volume>, podName: string | undefined): FieldError[] {
  if (!podName || !name) return [];
  const claim = `${podName}-${name}`;
  return dns1123Subdomain(claim).map((text) =>
    invalidValue(at.name, name, `PVC name ${JSON.stringify(claim)}: ${text}`),
  );
}

function validatePortal({ name, iscsi }: Volume, at: At<Volume>): FieldError[] {
  if (iscsi?.initiatorName === undefined || `${name}:${iscsi.targetPortal}`.length <= 64) return [];
  const text =
    'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
  return [invalidValue(at.name, name, text)];
}

function validateClaimTemplate(
  { metadata, spec }: PersistentVolumeClaimTemplate,
  at: At<PersistentVolumeClaimTemplate>,
): FieldError[] {
  return [...validateTemplateMetadata(metadata, at.metadata), ...validateClaimSpec(spec, at.spec)];
}
