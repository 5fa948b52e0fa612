/**
 * Where a volume of an in-tree driver can be reached from, as the CSI driver says it that has taken the driver's place on a node.
 * Source: KEP-625; csi-translation-lib, translateTopologyFromInTreeToCSI.
 */
import type { NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume } from '#api/generated/schema.ts';
import type { CSINode } from '#api/storage/v1/csi-node.ts';

const MIGRATED = 'storage.alpha.kubernetes.io/migrated-plugins';
const ZONE = 'topology.kubernetes.io/zone';
const OLD_ZONE = 'failure-domain.beta.kubernetes.io/zone';
const REGION = 'topology.kubernetes.io/region';
const OLD_REGION = 'failure-domain.beta.kubernetes.io/region';
const SEPARATOR = '__';

/** What a zone is called by the drivers that have zones of their own. */
const DRIVERS = [
  {
    field: 'awsElasticBlockStore',
    plugin: 'kubernetes.io/aws-ebs',
    zoneKey: 'topology.ebs.csi.aws.com/zone',
  },
  {
    field: 'gcePersistentDisk',
    plugin: 'kubernetes.io/gce-pd',
    zoneKey: 'topology.gke.io/zone',
  },
  {
    field: 'cinder',
    plugin: 'kubernetes.io/cinder',
    zoneKey: 'topology.cinder.csi.openstack.org/zone',
  },
] as const;

const driverOf = ({ spec }: PersistentVolume) => DRIVERS.find(({ field }) => spec[field]);

/** Whether it can be another one on some nodes. */
export const hasOldTopology = (volume: PersistentVolume): boolean => driverOf(volume) !== undefined;

/** The volume itself where the node has the in-tree driver, or nothing changes. */
export function migratedOn(volume: PersistentVolume, csiNode: CSINode | undefined): PersistentVolume {
  const driver = driverOf(volume);
  const migrated = csiNode?.metadata.annotations?.[MIGRATED]?.split(',') ?? [];
  if (!driver || !migrated.includes(driver.plugin)) return volume;
  const terms = volume.spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const nodeSelectorTerms = translated(terms, volume.metadata.labels ?? {}, driver.zoneKey);
  if (nodeSelectorTerms.length === 0) return volume;
  return { ...volume, spec: { ...volume.spec, nodeAffinity: { required: { nodeSelectorTerms } } } };
}

/** What the terms say of zones is said in the driver's words; where they say nothing, the volume's labels do. */
function translated(
  terms: readonly NodeSelectorTerm[],
  labels: Readonly<Record<string, string>>,
  zoneKey: string,
): NodeSelectorTerm[] {
  const says = (key: string) => terms.some(({ matchExpressions = [] }) => matchExpressions.some((e) => e.key === key));
  const isOld = says(ZONE) ? false : says(OLD_ZONE) || (labels[ZONE] === undefined && labels[OLD_ZONE] !== undefined);
  const zone = isOld ? OLD_ZONE : ZONE;
  const names: Readonly<Record<string, string>> = { [zone]: zoneKey, ...(isOld && { [OLD_REGION]: REGION }) };
  const renamed = terms.map(({ matchExpressions, ...term }) => ({
    ...term,
    ...(matchExpressions && { matchExpressions: matchExpressions.map((e) => ({ ...e, key: names[e.key] ?? e.key })) }),
  }));
  if (hasValues(terms, zone)) return renamed;
  const values = (labels[zone] ?? '').split(SEPARATOR).flatMap((value) => value.trim() || []);
  if (values.length === 0) return renamed;
  const inZones: NodeSelectorRequirement = { key: zoneKey, operator: 'In', values: [...new Set(values)].sort() };
  return (renamed.length > 0 ? renamed : [{}]).map((term: NodeSelectorTerm) => ({
    ...term,
    matchExpressions: [...(term.matchExpressions ?? []), inZones],
  }));
}

const hasValues = (terms: readonly NodeSelectorTerm[], key: string): boolean =>
  terms.some(({ matchExpressions = [] }) => matchExpressions.some((e) => e.key === key && (e.values?.length ?? 0) > 0));
