/** What a PersistentVolume may come from, and what has to be said of each. Source: API reference, core/v1. */
import type {
  AzureFilePersistentVolumeSource,
  CSIPersistentVolumeSource,
  GlusterfsPersistentVolumeSource,
  ISCSIPersistentVolumeSource,
  LocalVolumeSource,
  PersistentVolumeSource,
  PersistentVolumeSpec,
  SecretReference,
} from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isRequired } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { hasNoBackstep, SOURCE_RULES, validateDriverName } from './pod/volume-sources.ts';

type Rules = {
  [Name in keyof PersistentVolumeSource]-?: (
    source: NonNullable<PersistentVolumeSource[Name]>,
    at: At<NonNullable<PersistentVolumeSource[Name]>>,
  ) => FieldError[];
};

/** In upstream's order: the first that is given is the volume, the others are too many. */
const RULES: Rules = {
  hostPath: SOURCE_RULES.hostPath,
  gcePersistentDisk: SOURCE_RULES.gcePersistentDisk,
  awsElasticBlockStore: SOURCE_RULES.awsElasticBlockStore,
  glusterfs: (source, at) => [...SOURCE_RULES.glusterfs(source, at), ...validateEndpointsNamespace(source, at)],
  flocker: SOURCE_RULES.flocker,
  nfs: SOURCE_RULES.nfs,
  rbd: SOURCE_RULES.rbd,
  quobyte: SOURCE_RULES.quobyte,
  cephfs: SOURCE_RULES.cephfs,
  iscsi: ({ secretRef, ...source }, at) => [
    ...SOURCE_RULES.iscsi({ ...source, ...(secretRef && { secretRef: {} }) }, at).map(withoutPrefixes),
    ...(secretRef ? isRequired(at.secretRef.name, secretRef.name) : []),
  ],
  cinder: ({ volumeID, secretRef }, at) => [
    ...isRequired(at.volumeID, volumeID),
    ...validateSecret(secretRef, at.secretRef),
  ],
  fc: SOURCE_RULES.fc,
  flexVolume: SOURCE_RULES.flexVolume,
  azureFile: (source, at) => validateAzureFile(source, at),
  vsphereVolume: SOURCE_RULES.vsphereVolume,
  photonPersistentDisk: SOURCE_RULES.photonPersistentDisk,
  portworxVolume: SOURCE_RULES.portworxVolume,
  azureDisk: SOURCE_RULES.azureDisk,
  scaleIO: SOURCE_RULES.scaleIO,
  local: ({ path }: LocalVolumeSource, at) => (path ? hasNoBackstep(path, at.path) : [requiredValue(at.path)]),
  storageos: ({ secretRef, ...source }, at) => [
    ...SOURCE_RULES.storageos(source, at as Parameters<typeof SOURCE_RULES.storageos>[1]),
    ...validateSecret(secretRef, at.secretRef as unknown as At<SecretReference>),
  ],
  csi: (source, at) => validateCsi(source, at),
};

/** Exactly one is given. */
export const SOURCES = Object.keys(RULES) as (keyof PersistentVolumeSource)[];

/** Where upstream names a field as nobody else does. */
const ODD_PATHS: Partial<Record<keyof PersistentVolumeSource, string>> = { gcePersistentDisk: 'persistentDisk' };
const ODD_PATHS_OF_OTHERS: Partial<Record<keyof PersistentVolumeSource, string>> = { cephfs: 'cephFS' };

/** Unlike in a pod, where it is told what a name begins with. */
const withoutPrefixes = (error: FieldError): FieldError => ({
  ...error,
  message: error.message.replace(' starting with iqn, eui, or naa', ''),
});

export function validateSources(spec: PersistentVolumeSpec, at: At<PersistentVolumeSpec>, name: string): FieldError[] {
  const [first, ...others] = SOURCES.filter((source) => spec[source] !== undefined);
  if (!first) return [requiredValue(at, 'must specify a volume type')];
  const child = (field: string) => at[field as keyof PersistentVolumeSpec] as Path;
  const check = (source: keyof PersistentVolumeSource) =>
    (RULES[source] as (source: unknown, at: Path) => FieldError[])(spec[source], child(ODD_PATHS[source] ?? source));
  const errors = check(first);
  if (first === 'iscsi') errors.push(...validatePortal(name, spec.iscsi!, at.iscsi));
  if (first === 'local' && !spec.nodeAffinity)
    errors.push(requiredValue(at.nodeAffinity, 'Local volume requires node affinity'));
  // Upstream forgets to count a flexVolume among those that are too many, and looks at it all the same.
  for (const other of others)
    errors.push(
      ...(other === 'flexVolume'
        ? check(other)
        : [forbiddenField(child(ODD_PATHS_OF_OTHERS[other] ?? other), 'may not specify more than 1 volume type')]),
    );
  return errors;
}

function validatePortal(name: string, { initiatorName, targetPortal }: ISCSIPersistentVolumeSource, at: Path) {
  if (initiatorName === undefined || `${name}:${targetPortal}`.length <= 64) return [];
  const text =
    'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
  return [invalidValue((at as At<{ targetportal: string }>).targetportal, targetPortal, text)];
}

const validateEndpointsNamespace = (
  { endpointsNamespace: namespace }: GlusterfsPersistentVolumeSource,
  { endpointsNamespace: at }: At<GlusterfsPersistentVolumeSource>,
): FieldError[] =>
  namespace === ''
    ? [invalidValue(at, '', 'if the endpointnamespace is set, it must be a valid namespace name')]
    : follows(at, namespace ?? 'default', dns1123Label);

/** A secret in a namespace. */
const validateSecret = (secret: SecretReference | undefined, at: At<SecretReference>): FieldError[] =>
  secret ? [...isRequired(at.name, secret.name), ...isRequired(at.namespace, secret.namespace)] : [];

const validateAzureFile = (
  { secretName, shareName, secretNamespace }: AzureFilePersistentVolumeSource,
  at: At<AzureFilePersistentVolumeSource>,
): FieldError[] => [
  ...isRequired(at.secretName, secretName),
  ...isRequired(at.shareName, shareName),
  ...(secretNamespace === '' ? [requiredValue(at.secretNamespace)] : []),
];

const SECRETS = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

const validateCsi = (source: CSIPersistentVolumeSource, at: At<CSIPersistentVolumeSource>): FieldError[] => [
  ...validateDriverName(source.driver, at.driver),
  ...isRequired(at.volumeHandle, source.volumeHandle),
  ...SECRETS.flatMap((field) => {
    const secret = source[field];
    if (!secret) return [];
    const { name, namespace } = secret;
    return [
      ...(name ? follows(at[field].name, name, dns1123Subdomain) : [requiredValue(at[field].name)]),
      ...(namespace ? follows(at[field].namespace, namespace, dns1123Label) : [requiredValue(at[field].namespace)]),
    ];
  }),
];
