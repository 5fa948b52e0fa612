/** Volumes of a pod, and the sources of PersistentVolumes. */
import type { PersistentVolumeSpec, Volume } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { type Report, sortedEntries } from './report.ts';

export function describeVolumes(report: Report, volumes: readonly Volume[] = [], indent = ''): void {
  if (volumes.length === 0) {
    report.line(0, `${indent}Volumes:\t<none>`);
    return;
  }
  report.line(0, `${indent}Volumes:`);
  for (const volume of volumes) {
    report.line(1, `${indent ? ' ' : ''}${volume.name}:`);
    describeSource(report, volume);
  }
}

type Source = Omit<Volume, 'name'> & Pick<PersistentVolumeSpec, 'local'>;
type Lines = readonly (readonly [label: string, value: unknown])[];

/** Also of a PersistentVolume, whose fields are a part of these. */
export function describeSource(report: Report, source: Source): void {
  const lines = linesOf(source);
  if (lines.length === 0) {
    report.line(1, '<unknown>');
    return;
  }
  for (const [label, value] of lines) {
    if (value === undefined) report.line(2, `${label}:`);
    else if (label === '') report.line(3, String(value));
    else if (label === 'ISCSIInterface')
      report.line(2, `${label}\t${value}`); // without a colon
    else report.field(label, value, 2);
  }
}

function linesOf(source: Source): Lines {
  const {
    hostPath,
    emptyDir,
    secret,
    configMap,
    persistentVolumeClaim,
    downwardAPI,
    projected,
    nfs,
    local,
    csi,
    image,
    ephemeral,
    iscsi,
  } = source;
  if (hostPath)
    return [
      ['Type', 'HostPath (bare host directory volume)'],
      ['Path', hostPath.path],
      ['HostPathType', hostPath.type ?? '<none>'],
    ];
  if (emptyDir) {
    const hasLimit = emptyDir.sizeLimit !== undefined && compareQuantities(emptyDir.sizeLimit, '0') > 0;
    return [
      ['Type', "EmptyDir (a temporary directory that shares a pod's lifetime)"],
      ['Medium', emptyDir.medium ?? ''],
      ['SizeLimit', hasLimit ? emptyDir.sizeLimit : '<unset>'],
    ];
  }
  if (secret)
    return [
      ['Type', 'Secret (a volume populated by a Secret)'],
      ['SecretName', secret.secretName ?? ''],
      ['Optional', secret.optional ?? false],
    ];
  if (configMap)
    return [
      ['Type', 'ConfigMap (a volume populated by a ConfigMap)'],
      ['Name', configMap.name ?? ''],
      ['Optional', configMap.optional ?? false],
    ];
  if (persistentVolumeClaim)
    return [
      ['Type', 'PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)'],
      ['ClaimName', persistentVolumeClaim.claimName],
      ['ReadOnly', persistentVolumeClaim.readOnly ?? false],
    ];
  if (downwardAPI)
    return [
      ['Type', 'DownwardAPI (a volume populated by information about the pod)'],
      ['Items', undefined],
      ...(downwardAPI.items ?? []).map(
        ({ fieldRef, resourceFieldRef, path }) =>
          ['', `${fieldRef?.fieldPath ?? resourceFieldRef?.resource} -> ${path}`] as const,
      ),
    ];
  if (projected)
    return [
      ['Type', 'Projected (a volume that contains injected data from multiple sources)'],
      ...projectedLines(projected),
    ];
  if (nfs)
    return [
      ['Type', 'NFS (an NFS mount that lasts the lifetime of a pod)'],
      ['Server', nfs.server],
      ['Path', nfs.path],
      ['ReadOnly', nfs.readOnly ?? false],
    ];
  if (local)
    return [
      ['Type', 'LocalVolume (a persistent volume backed by local storage on a node)'],
      ['Path', local.path],
    ];
  if (image)
    return [
      ['Type', 'Image (a container image or OCI artifact)'],
      ['Reference', image.reference ?? ''],
      ['PullPolicy', image.pullPolicy ?? ''],
    ];
  if (ephemeral)
    return [
      ['Type', 'EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)'],
    ];
  if (iscsi) return iscsiLines(iscsi);
  return csi ? csiLines(csi) : [];
}

function iscsiLines(iscsi: NonNullable<Volume['iscsi']>): Lines {
  return [
    ['Type', "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)"],
    ['TargetPortal', iscsi.targetPortal],
    ['IQN', iscsi.iqn],
    ['Lun', iscsi.lun],
    ['ISCSIInterface', iscsi.iscsiInterface ?? ''],
    ['FSType', iscsi.fsType ?? ''],
    ['ReadOnly', iscsi.readOnly ?? false],
    ['Portals', `[${(iscsi.portals ?? []).join(' ')}]`],
    ['DiscoveryCHAPAuth', iscsi.chapAuthDiscovery ?? false],
    ['SessionCHAPAuth', iscsi.chapAuthSession ?? false],
    ['SecretRef', iscsi.secretRef ? `&LocalObjectReference{Name:${iscsi.secretRef.name ?? ''},}` : 'nil'],
    ['InitiatorName', iscsi.initiatorName ?? '<none>'],
  ];
}

function projectedLines({ sources = [] }: NonNullable<Volume['projected']>): Lines {
  return sources.flatMap(({ secret, downwardAPI, configMap, serviceAccountToken }): [string, unknown][] => {
    if (secret)
      return [
        ['SecretName', secret.name ?? ''],
        ['Optional', secret.optional ?? false],
      ];
    if (downwardAPI) return [['DownwardAPI', true]];
    if (configMap)
      return [
        ['ConfigMapName', configMap.name ?? ''],
        ['Optional', configMap.optional ?? false],
      ];
    return serviceAccountToken ? [['TokenExpirationSeconds', serviceAccountToken.expirationSeconds]] : [];
  });
}

function csiLines(csi: NonNullable<Volume['csi']> & { volumeHandle?: string }): Lines {
  const attributes = sortedEntries(csi.volumeAttributes).map(([key, value]) => `${key}=${value}`);
  return [
    ['Type', 'CSI (a Container Storage Interface (CSI) volume source)'],
    ['Driver', csi.driver],
    ['FSType', csi.fsType ?? ''],
    ...(csi.volumeHandle === undefined ? [] : [['VolumeHandle', csi.volumeHandle] as const]),
    ['ReadOnly', csi.readOnly ?? false],
    ['VolumeAttributes', attributes.length > 0 ? `    ${attributes.join('\n\t    ')}` : '<none>'],
  ];
}
