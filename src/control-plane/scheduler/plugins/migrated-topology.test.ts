import { expect, test } from 'vitest';
import type { NodeSelectorTerm, PersistentVolume } from '#api/generated/schema.ts';
import type { CSINode } from '#api/storage/v1/csi-node.ts';
import { migratedOn } from './migrated-topology.ts';

const ZONE = 'topology.kubernetes.io/zone';
const OLD_ZONE = 'failure-domain.beta.kubernetes.io/zone';
const disk = { gcePersistentDisk: { pdName: 'data' } };
const GKE_ZONE = 'topology.gke.io/zone';

const within = (key: string, ...values: string[]) => ({ key, operator: 'In' as const, values });
const volume = (source: object, terms: NodeSelectorTerm[] | undefined, labels: Record<string, string> = {}) =>
  ({
    metadata: { name: 'v', labels },
    spec: { ...source, ...(terms && { nodeAffinity: { required: { nodeSelectorTerms: terms } } }) },
  }) as unknown as PersistentVolume;
const node = (plugins: string) =>
  ({ metadata: { annotations: { 'storage.alpha.kubernetes.io/migrated-plugins': plugins } } }) as unknown as CSINode;
const termsOf = ({ spec }: PersistentVolume) => spec.nodeAffinity?.required?.nodeSelectorTerms;
const ALL = node('kubernetes.io/aws-ebs,kubernetes.io/gce-pd,kubernetes.io/cinder,kubernetes.io/azure-disk');

test.each<[string, PersistentVolume, CSINode | undefined, object[] | undefined]>([
  [
    'zones get the name that the driver has for them',
    volume(disk, [{ matchExpressions: [within(ZONE, 'a'), within('disk', 'ssd')] }]),
    ALL,
    [{ matchExpressions: [within(GKE_ZONE, 'a'), within('disk', 'ssd')] }],
  ],
  [
    'zones of old names too, and regions their new name',
    volume({ awsElasticBlockStore: { volumeID: 'vol-1' } }, [
      { matchExpressions: [within(OLD_ZONE, 'a'), within('failure-domain.beta.kubernetes.io/region', 'r')] },
    ]),
    ALL,
    [
      {
        matchExpressions: [within('topology.ebs.csi.aws.com/zone', 'a'), within('topology.kubernetes.io/region', 'r')],
      },
    ],
  ],
  [
    'where terms say nothing of zones labels do',
    volume({ cinder: { volumeID: 'c' } }, undefined, { [ZONE]: 'b__ a' }),
    ALL,
    [{ matchExpressions: [within('topology.cinder.csi.openstack.org/zone', 'a', 'b')] }],
  ],
  [
    'labels stand beside each other term',
    volume(disk, [{ matchExpressions: [within('disk', 'ssd')] }], { [OLD_ZONE]: 'a' }),
    ALL,
    [{ matchExpressions: [within('disk', 'ssd'), within(GKE_ZONE, 'a')] }],
  ],
  [
    'on a node with the in-tree driver nothing changes',
    volume(disk, [{ matchExpressions: [within(ZONE, 'a')] }]),
    node('kubernetes.io/cinder'),
    [{ matchExpressions: [within(ZONE, 'a')] }],
  ],
  [
    'on a node that says nothing of drivers either',
    volume(disk, [{ matchExpressions: [within(ZONE, 'a')] }]),
    undefined,
    [{ matchExpressions: [within(ZONE, 'a')] }],
  ],
  ['a volume without zones can be reached from everywhere', volume(disk, undefined), ALL, undefined],
  [
    'a driver without zones of its own keeps the words',
    volume({ azureDisk: { diskName: 'd', diskURI: '/d' } }, [{ matchExpressions: [within(ZONE, 'a')] }]),
    ALL,
    [{ matchExpressions: [within(ZONE, 'a')] }],
  ],
])('%s', (_, given, csiNode, terms) => {
  expect(termsOf(migratedOn(given, csiNode))).toEqual(terms);
});
