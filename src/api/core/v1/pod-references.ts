/** What a pod's spec names of other objects in its namespace: what its node must be able to read to run it. */
import type { Container, EphemeralContainer, Pod, PodSpec, Volume } from '#api/generated/schema.ts';

type AnyContainer = Container | EphemeralContainer;

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
export const isMirrorPod = ({ metadata }: Pod): boolean => metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;

/** Secrets for pulling images, in the environment and in volumes; each once. Asked of every pod that changes. */
export function secretNamesOf({ spec }: Pod): string[] {
  const names = new Names();
  for (const { name } of spec.imagePullSecrets ?? NONE) names.add(name);
  forEachContainer(spec, ({ env = NONE, envFrom = NONE }) => {
    for (const { secretRef } of envFrom) names.add(secretRef?.name);
    for (const { valueFrom } of env) names.add(valueFrom?.secretKeyRef?.name);
  });
  for (const volume of spec.volumes ?? NONE) addSecretsOfVolume(volume, names);
  return names.list;
}

function addSecretsOfVolume(volume: Volume, names: Names): void {
  for (const { secret } of volume.projected?.sources ?? NONE) names.add(secret?.name);
  names.add(volume.secret?.secretName);
  names.add(volume.csi?.nodePublishSecretRef?.name);
  names.add(volume.azureFile?.secretName);
  names.add(volume.cephfs?.secretRef?.name);
  names.add(volume.cinder?.secretRef?.name);
  names.add(volume.flexVolume?.secretRef?.name);
  names.add(volume.iscsi?.secretRef?.name);
  names.add(volume.rbd?.secretRef?.name);
  names.add(volume.scaleIO?.secretRef?.name);
  names.add(volume.storageos?.secretRef?.name);
}

/** As `secretNamesOf`. */
export function configMapNamesOf({ spec }: Pod): string[] {
  const names = new Names();
  forEachContainer(spec, ({ env = NONE, envFrom = NONE }) => {
    for (const { configMapRef } of envFrom) names.add(configMapRef?.name);
    for (const { valueFrom } of env) names.add(valueFrom?.configMapKeyRef?.name);
  });
  for (const { configMap, projected } of spec.volumes ?? NONE) {
    names.add(configMap?.name);
    for (const source of projected?.sources ?? NONE) names.add(source.configMap?.name);
  }
  return names.list;
}

const NONE: readonly never[] = [];

function forEachContainer(spec: PodSpec, tell: (container: AnyContainer) => void): void {
  for (const container of spec.initContainers ?? NONE) tell(container);
  for (const container of spec.containers) tell(container);
  for (const container of spec.ephemeralContainers ?? NONE) tell(container);
}

/** Each once, in the order in which they came; no empty ones. Most pods name none of a sort. */
class Names {
  #names: Set<string> | undefined;

  get list(): string[] {
    return this.#names ? [...this.#names] : [];
  }

  add(name: string | undefined): void {
    if (!name) return;
    this.#names ??= new Set();
    this.#names.add(name);
  }
}

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

/** False: two states of a pod surely name the same, and need not be gone through. It has to know all that is read above. */
export const mayNameOthers = (now: Pod, before: Pod): boolean =>
  now.spec !== before.spec ||
  now.metadata.annotations !== before.metadata.annotations ||
  now.status?.resourceClaimStatuses !== before.status?.resourceClaimStatuses ||
  now.status?.extendedResourceClaimStatus !== before.status?.extendedResourceClaimStatus;

function unique(found: readonly (string | undefined)[]): string[] {
  const names = new Names();
  for (const name of found) names.add(name);
  return names.list;
}
