/** What a pod's spec names of other objects in its namespace: what its node must be able to read to run it. */
import type { Container, EphemeralContainer, Pod, PodSpec, Volume } from '#api/generated/schema.ts';

type AnyContainer = Container | EphemeralContainer;

const containersOf = ({ initContainers = [], containers, ephemeralContainers = [] }: PodSpec): AnyContainer[] => [
  ...initContainers,
  ...containers,
  ...ephemeralContainers,
];

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
export const isMirrorPod = ({ metadata }: Pod): boolean => metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;

/** Secrets for pulling images, in the environment and in volumes; each once. */
export const secretNamesOf = ({ spec }: Pod): string[] =>
  unique([
    ...(spec.imagePullSecrets ?? []).map(({ name }) => name),
    ...containersOf(spec).flatMap(secretNamesOfContainer),
    ...(spec.volumes ?? []).flatMap(secretNamesOfVolume),
  ]);

const secretNamesOfContainer = ({ env = [], envFrom = [] }: AnyContainer): (string | undefined)[] => [
  ...envFrom.map(({ secretRef }) => secretRef?.name),
  ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
];

const secretNamesOfVolume = (volume: Volume): (string | undefined)[] => [
  volume.secret?.secretName,
  ...(volume.projected?.sources ?? []).map(({ secret }) => secret?.name),
  volume.csi?.nodePublishSecretRef?.name,
  volume.azureFile?.secretName,
  volume.cephfs?.secretRef?.name,
  volume.cinder?.secretRef?.name,
  volume.flexVolume?.secretRef?.name,
  volume.iscsi?.secretRef?.name,
  volume.rbd?.secretRef?.name,
  volume.scaleIO?.secretRef?.name,
  volume.storageos?.secretRef?.name,
];

export const configMapNamesOf = ({ spec }: Pod): string[] =>
  unique([
    ...containersOf(spec).flatMap(({ env = [], envFrom = [] }) => [
      ...envFrom.map(({ configMapRef }) => configMapRef?.name),
      ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
    ]),
    ...(spec.volumes ?? []).flatMap((volume) => [
      volume.configMap?.name,
      ...(volume.projected?.sources ?? []).map(({ configMap }) => configMap?.name),
    ]),
  ]);

/** Named claims, and those that are made for ephemeral volumes under a name of the pod and the volume. */
export const claimNamesOf = ({ metadata, spec }: Pod): string[] =>
  unique(
    (spec.volumes ?? []).map(({ name, persistentVolumeClaim, ephemeral }) =>
      ephemeral ? `${metadata.name}-${name}` : persistentVolumeClaim?.claimName,
    ),
  );

export const resourceClaimNamesOf = ({ spec, status }: Pod): string[] =>
  unique([
    ...(spec.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName),
    ...(status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName),
    status?.extendedResourceClaimStatus?.resourceClaimName,
  ]);

const unique = (names: readonly (string | undefined)[]): string[] => [
  ...new Set(names.filter((name): name is string => name !== undefined && name !== '')),
];
