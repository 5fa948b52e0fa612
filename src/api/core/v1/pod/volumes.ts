/** Volumes of a pod. Only where data comes from is said here; the kubelet makes it so. */
import type { DownwardAPIVolumeFile, Submitted, Volume, VolumeProjection } from '#api/generated/schema.ts';
import { eachWith, withFields } from '#api/machinery/with-fields.ts';
import { pullPolicyFor } from './containers.ts';
import { defaultSources } from './source-defaults.ts';

/** Octal 0644: what files of a Secret, a ConfigMap and the like may be by default. */
const FILE_MODE = 0o644;
const TOKEN_SECONDS = 60 * 60;

export function defaultVolume(volume: Submitted<Volume>): Volume {
  if (!hasSource(volume)) return { name: volume.name ?? '', emptyDir: {} };
  const { secret, configMap, downwardAPI, projected, ephemeral, image } = volume;
  const claim = ephemeral?.volumeClaimTemplate;
  return withFields<Submitted<Volume>>(volume, {
    secret: secret && withFields(secret, { defaultMode: secret.defaultMode ?? FILE_MODE }),
    configMap: configMap && withFields(configMap, { defaultMode: configMap.defaultMode ?? FILE_MODE }),
    downwardAPI:
      downwardAPI &&
      withFields(downwardAPI, {
        items: eachWith(downwardAPI.items, defaultFile),
        defaultMode: downwardAPI.defaultMode ?? FILE_MODE,
      }),
    projected:
      projected &&
      withFields(projected, {
        sources: eachWith(projected.sources, defaultProjection),
        defaultMode: projected.defaultMode ?? FILE_MODE,
      }),
    ...defaultSources(volume),
    image: image && withFields(image, { pullPolicy: image.pullPolicy || pullPolicyFor(image.reference ?? '') }),
    ephemeral:
      claim &&
      withFields(ephemeral, {
        volumeClaimTemplate: withFields(claim, {
          spec: withFields(claim.spec ?? {}, { volumeMode: claim.spec?.volumeMode || 'Filesystem' }),
        }),
      }),
  }) as Volume;
}

function hasSource(volume: Submitted<Volume>): boolean {
  for (const field in volume) if (field !== 'name') return true;
  return false;
}

const defaultFile = (file: Submitted<DownwardAPIVolumeFile>): DownwardAPIVolumeFile =>
  withFields(file, {
    fieldRef: file.fieldRef && withFields(file.fieldRef, { apiVersion: file.fieldRef.apiVersion || 'v1' }),
  }) as DownwardAPIVolumeFile;

function defaultProjection(projection: Submitted<VolumeProjection>): VolumeProjection {
  const { serviceAccountToken: token, downwardAPI } = projection;
  return withFields(projection, {
    serviceAccountToken: token && withFields(token, { expirationSeconds: token.expirationSeconds ?? TOKEN_SECONDS }),
    downwardAPI: downwardAPI && withFields(downwardAPI, { items: eachWith(downwardAPI.items, defaultFile) }),
  }) as VolumeProjection;
}
