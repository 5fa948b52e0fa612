/** Volumes of a pod. Only where data comes from is said here; the kubelet makes it so. */
import type { DownwardAPIVolumeFile, Submitted, Volume, VolumeProjection } from '#api/generated/schema.ts';
import { pullPolicyFor } from './containers.ts';
import { defaultSources } from './source-defaults.ts';

/** Octal 0644: what files of a Secret, a ConfigMap and the like may be by default. */
const FILE_MODE = 0o644;
const TOKEN_SECONDS = 60 * 60;

export function defaultVolume(volume: Submitted<Volume>): Volume {
  const { name, ...source } = volume;
  if (Object.keys(source).length === 0) return { name: name ?? '', emptyDir: {} };
  const { secret, configMap, downwardAPI, projected, ephemeral, image } = source;
  return {
    ...volume,
    ...(secret && { secret: { ...secret, defaultMode: secret.defaultMode ?? FILE_MODE } }),
    ...(configMap && { configMap: { ...configMap, defaultMode: configMap.defaultMode ?? FILE_MODE } }),
    ...(downwardAPI && {
      downwardAPI: {
        ...downwardAPI,
        ...(downwardAPI.items && { items: downwardAPI.items.map(defaultFile) }),
        defaultMode: downwardAPI.defaultMode ?? FILE_MODE,
      },
    }),
    ...(projected && {
      projected: {
        ...projected,
        ...(projected.sources && { sources: projected.sources.map(defaultProjection) }),
        defaultMode: projected.defaultMode ?? FILE_MODE,
      },
    }),
    ...defaultSources(source),
    ...(image && { image: { ...image, pullPolicy: image.pullPolicy || pullPolicyFor(image.reference ?? '') } }),
    ...(ephemeral?.volumeClaimTemplate && {
      ephemeral: {
        volumeClaimTemplate: {
          ...ephemeral.volumeClaimTemplate,
          spec: {
            ...ephemeral.volumeClaimTemplate.spec,
            volumeMode: ephemeral.volumeClaimTemplate.spec?.volumeMode || 'Filesystem',
          },
        },
      },
    }),
  } as Volume;
}

const defaultFile = (file: Submitted<DownwardAPIVolumeFile>): Submitted<DownwardAPIVolumeFile> =>
  file.fieldRef ? { ...file, fieldRef: { ...file.fieldRef, apiVersion: file.fieldRef.apiVersion || 'v1' } } : file;

function defaultProjection(projection: Submitted<VolumeProjection>): Submitted<VolumeProjection> {
  const { serviceAccountToken: token, downwardAPI } = projection;
  return {
    ...projection,
    ...(token && { serviceAccountToken: { ...token, expirationSeconds: token.expirationSeconds ?? TOKEN_SECONDS } }),
    ...(downwardAPI?.items && { downwardAPI: { ...downwardAPI, items: downwardAPI.items.map(defaultFile) } }),
  };
}
