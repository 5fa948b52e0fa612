/** Volumes and claims that outlive pods. */
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '#api/generated/schema.ts';
import { humanSince } from '#api/machinery/duration.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import { type Describer, listed } from './describer.ts';
import { describeEvents } from './events.ts';
import { boolOrUnset, formatTime, goList, type Report } from './report.ts';
import { describeSource } from './volumes.ts';

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
const ORDER = Object.keys(MODES);
const modesText = (modes: readonly string[] = []): string =>
  ORDER.flatMap((mode) => (modes.includes(mode) ? [MODES[mode]] : [])).join(',');

export const persistentVolumeClaimDescriber: Describer<PersistentVolumeClaim> = {
  kind: 'PersistentVolumeClaim',
  async describe(report, claim, context) {
    const { metadata, spec, status } = claim;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.field(
      'StorageClass',
      metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '',
    );
    describePhase(report, claim, context.nowMs);
    report.field('Volume', spec.volumeName ?? '');
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Finalizers', goList(metadata.finalizers));
    report.field('Capacity', spec.volumeName ? (status?.capacity?.['storage'] ?? '0') : '');
    report.field('Access Modes', spec.volumeName ? modesText(status?.accessModes) : '');
    report.fieldIf('VolumeMode', spec.volumeMode);
    if (spec.dataSource) {
      report.line(0, 'DataSource:');
      report.fieldIf('APIGroup', spec.dataSource.apiGroup, 1);
      report.field('Kind', spec.dataSource.kind, 1);
      report.field('Name', spec.dataSource.name, 1);
    }
    const pods = await listed<Pod>(context, 'pods', { namespace: metadata.namespace });
    // Once for each volume by which it has the claim.
    const users = pods.flatMap((pod) =>
      (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) =>
        persistentVolumeClaim?.claimName === metadata.name ? [pod] : [],
      ),
    );
    report.values('Used By', users.map((pod) => pod.metadata.name).sort());
    describeConditions(report, claim);
    await describeEvents(report, claim, context);
  },
};

function describePhase(
  report: Report,
  { metadata, status }: PersistentVolumeClaim | PersistentVolume,
  nowMs: number,
): void {
  const { deletionTimestamp } = metadata;
  report.field(
    'Status',
    deletionTimestamp ? `Terminating (lasts ${humanSince(deletionTimestamp, nowMs)})` : (status?.phase ?? ''),
  );
}

function describeConditions(report: Report, { status }: PersistentVolumeClaim): void {
  if (!status?.conditions?.length) return;
  const headers = ['Type', 'Status', 'LastProbeTime', 'LastTransitionTime', 'Reason', 'Message'];
  const rows = status.conditions.map(
    ({ type, status: is, lastProbeTime, lastTransitionTime, reason = '', message = '' }) => [
      `${type} `,
      `${is} `,
      `${formatTime(lastProbeTime)} `,
      `${formatTime(lastTransitionTime)} `,
      `${reason} `,
      message,
    ],
  );
  report.table('Conditions', headers, rows, [
    '----',
    '------',
    '-----------------',
    '------------------',
    '------',
    '-------',
  ]);
}

export const persistentVolumeDescriber: Describer<PersistentVolume> = {
  kind: 'PersistentVolume',
  async describe(report, volume, context) {
    const { metadata, spec, status } = volume;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Finalizers', goList(metadata.finalizers));
    report.field('StorageClass', spec.storageClassName ?? '');
    describePhase(report, volume, context.nowMs);
    report.field('Claim', spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '');
    report.field('Reclaim Policy', spec.persistentVolumeReclaimPolicy ?? '');
    report.field('Access Modes', modesText(spec.accessModes));
    report.fieldIf('VolumeMode', spec.volumeMode);
    report.field('Capacity', spec.capacity?.['storage'] ?? '0');
    describeAffinity(report, volume);
    report.field('Message', status?.message ?? '');
    report.line(0, 'Source:');
    describeSource(report, spec as Parameters<typeof describeSource>[1]);
    await describeEvents(report, volume, context);
  },
};

function describeAffinity(report: Report, { spec }: PersistentVolume): void {
  const required = spec.nodeAffinity?.required;
  if (!required) {
    report.field('Node Affinity', '<none>');
    return;
  }
  report.line(0, 'Node Affinity:\t');
  if (required.nodeSelectorTerms.length === 0) {
    report.field('Required Terms', '<none>', 1);
    return;
  }
  report.line(1, 'Required Terms:\t');
  required.nodeSelectorTerms.forEach(({ matchExpressions = [] }, index) => {
    const texts = matchExpressions.map(({ key, operator, values = [] }) =>
      values.length > 0 ? `${key} ${operator.toLowerCase()} ${commaList(values)}` : `${key} ${operator.toLowerCase()}`,
    );
    describeTerm(report, texts, { level: 2, index });
  });
}

function describeTopologies(report: Report, terms: StorageClass['allowedTopologies'] = []): void {
  if (terms.length === 0) return;
  report.line(0, 'AllowedTopologies:\t');
  terms.forEach(({ matchLabelExpressions = [] }, index) => {
    const texts = matchLabelExpressions.map(({ key, values }) => `${key} in ${commaList(values)}`);
    describeTerm(report, texts, { level: 1, index });
  });
}

const commaList = (values: readonly string[]): string => `[${values.join(', ')}]`;

function describeTerm(
  report: Report,
  texts: readonly string[],
  { level, index }: { level: number; index: number },
): void {
  report.write(level, `Term ${index}:\t`);
  if (texts.length === 0) report.line(0, '<none>');
  for (const [at, text] of texts.entries()) report.line(at === 0 ? 0 : level, at === 0 ? text : `\t${text}`);
}

export const storageClassDescriber: Describer<StorageClass> = {
  kind: 'StorageClass.storage.k8s.io',
  async describe(report, storageClass, context) {
    const { metadata, provisioner, parameters, allowVolumeExpansion, mountOptions = [] } = storageClass;
    const { annotations = {} } = metadata;
    const isDefault = [
      'storageclass.kubernetes.io/is-default-class',
      'storageclass.beta.kubernetes.io/is-default-class',
    ].some((key) => annotations[key] === 'true');
    report.field('Name', metadata.name);
    report.field('IsDefaultClass', isDefault ? 'Yes' : 'No');
    report.field('Annotations', formatLabels(metadata.annotations));
    report.field('Provisioner', provisioner);
    report.field('Parameters', formatLabels(parameters));
    report.field('AllowVolumeExpansion', boolOrUnset(allowVolumeExpansion));
    if (mountOptions.length === 0) report.field('MountOptions', '<none>');
    else {
      report.line(0, 'MountOptions:');
      for (const option of mountOptions) report.line(1, option);
    }
    report.fieldIf('ReclaimPolicy', storageClass.reclaimPolicy);
    report.fieldIf('VolumeBindingMode', storageClass.volumeBindingMode);
    describeTopologies(report, storageClass.allowedTopologies);
    await describeEvents(report, storageClass, context);
  },
};
