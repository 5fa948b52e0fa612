/**
 * Makes volumes that are folders of the node of their first pod, and lets them grow. It only writes the volume: the folder is
 * made by the kubelet's built-in driver when a pod comes. The words are those of upstream's external provisioner and resizer.
 */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import {
  capacityOf,
  classOfClaim,
  PROVISIONED_BY,
  requestOf,
  SELECTED_NODE,
  STORAGE_PROVISIONERS,
} from '#api/core/v1/persistent-volume-matching.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { hasReason } from '#api/machinery/status.ts';
import { LOCAL_PATH } from '#api/storage/v1/local-path.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import {
  defineController,
  giveUp,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';

const writes = {
  create: [PersistentVolume],
  update: [PersistentVolume, PersistentVolumeClaim],
  status: [PersistentVolumeClaim],
} as const;
type Context = ReconcileContext<
  never,
  Kind<PersistentVolumeClaim> | Kind<PersistentVolume> | Kind<StorageClass> | Kind<Node>,
  typeof writes
>;

/** Keeps a volume until its folder is erased. Upstream's name, which `kubectl describe` users know. */
export const PROVISIONER_FINALIZER = 'external-provisioner.volume.kubernetes.io/finalizer';
const HOSTNAME = 'kubernetes.io/hostname';
const MODES = ['ReadWriteOnce', 'ReadWriteOncePod'];

export const localPathProvisioner = defineController({
  name: 'local-path-provisioner',
  eventSource: LOCAL_PATH,
  reconciles: PersistentVolumeClaim,
  watches: [
    watching(PersistentVolume, () => []),
    watching(StorageClass, () => []),
    watching(
      Node,
      ({ metadata }, cached) =>
        (cached(PersistentVolumeClaim).list() as PersistentVolumeClaim[])
          .filter((claim) => isOurs(claim) && !claim.spec.volumeName)
          .filter((claim) => (claim.metadata.annotations?.[SELECTED_NODE] ?? metadata.name) === metadata.name)
          .map((claim) => `${claim.metadata.namespace}/${claim.metadata.name}`),
      () => false,
    ),
  ],
  writes,

  async reconcile(claim, context) {
    if (claim.metadata.deletionTimestamp) return settled;
    if (claim.spec.volumeName) return grow(claim, context);
    return isOurs(claim) ? provision(claim, context) : settled;
  },
});

const isOurs = ({ metadata }: PersistentVolumeClaim): boolean =>
  STORAGE_PROVISIONERS.some((name) => metadata.annotations?.[name] === LOCAL_PATH);

async function provision(claim: PersistentVolumeClaim, context: Context): Promise<Outcome> {
  const { cached, api, events } = context;
  const storageClass = cached(StorageClass).get(classOfClaim(claim));
  if (storageClass?.provisioner !== LOCAL_PATH) return settled;
  const selected = claim.metadata.annotations?.[SELECTED_NODE];
  if (!selected && storageClass.volumeBindingMode === 'WaitForFirstConsumer') return settled;
  const name = `pvc-${claim.metadata.uid}`;
  if (cached(PersistentVolume).get(name)) return settled;
  const fail = (why: string): void =>
    events.warning(
      claim,
      'ProvisioningFailed',
      `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${why}`,
    );
  const refusal = whyNot(claim);
  if (refusal) {
    fail(refusal);
    return giveUp(refusal);
  }
  const node = selected ? cached(Node).get(selected) : anyNode(cached(Node).list());
  if (!node) {
    fail(selected ? `node "${selected}" not found` : 'there is no node that is ready');
    if (selected) await unselect(claim, context);
    return settled;
  }
  const { namespace, name: claimName } = claim.metadata;
  events.normal(
    claim,
    'Provisioning',
    `External provisioner is provisioning volume for claim "${namespace}/${claimName}"`,
  );
  try {
    await api.create(PersistentVolume, volumeFor(claim, { name, node, storageClass }));
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
  events.normal(claim, 'ProvisioningSucceeded', `Successfully provisioned volume ${name}`);
  return settled;
}

function whyNot({ spec }: PersistentVolumeClaim): string | undefined {
  const mode = spec.accessModes?.find((each) => !MODES.includes(each));
  if (mode) return `a folder of one node can only have the access modes ${MODES.join(' and ')}, not ${mode}`;
  if (spec.volumeMode === 'Block') return 'a folder is no block device: volumeMode must be Filesystem';
  if (spec.dataSource ?? spec.dataSourceRef) return 'a folder cannot be made from a dataSource';
  if (spec.selector) return 'claim.Spec.Selector is not supported';
  return undefined;
}

/** For a class that does not wait for a pod: the first by name that is ready. */
const anyNode = (nodes: readonly Node[]): Node | undefined =>
  nodes
    .filter(({ spec, status }) => {
      const isReady = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
      return isReady && !spec.unschedulable;
    })
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0];

/** The scheduler is to choose again. */
async function unselect(claim: PersistentVolumeClaim, { api }: Context): Promise<void> {
  const { [SELECTED_NODE]: _, ...annotations } = claim.metadata.annotations ?? {};
  await api.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, annotations } });
}

interface Facts {
  name: string;
  node: Node;
  storageClass: StorageClass;
}

function volumeFor({ metadata, spec }: PersistentVolumeClaim, { name, node, storageClass }: Facts) {
  const { namespace, name: claimName, uid, resourceVersion } = metadata;
  const hostname = node.metadata.labels?.[HOSTNAME] ?? node.metadata.name;
  const requirement = { key: HOSTNAME, operator: 'In' as const, values: [hostname] };
  return {
    metadata: { name, annotations: { [PROVISIONED_BY]: LOCAL_PATH }, finalizers: [PROVISIONER_FINALIZER] },
    spec: {
      capacity: { storage: spec.resources?.requests?.['storage'] ?? '0' },
      accessModes: spec.accessModes ?? [],
      volumeMode: 'Filesystem' as const,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy as 'Delete' | 'Retain',
      storageClassName: storageClass.metadata.name,
      ...(storageClass.mountOptions && { mountOptions: storageClass.mountOptions }),
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        ...(namespace !== undefined && { namespace }),
        name: claimName,
        uid,
        ...(resourceVersion !== undefined && { resourceVersion }),
      },
      csi: { driver: LOCAL_PATH, volumeHandle: name, volumeAttributes: { node: node.metadata.name } },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [requirement] }] } },
    },
  };
}

/** A folder has no size of its own: it grows by being said to be larger. */
async function grow(claim: PersistentVolumeClaim, { cached, api, events }: Context): Promise<Outcome> {
  const volume = cached(PersistentVolume).get(claim.spec.volumeName ?? '');
  if (volume?.spec.csi?.driver !== LOCAL_PATH || claim.status?.phase !== 'Bound') return settled;
  if (volume.spec.claimRef?.uid !== claim.metadata.uid) return settled;
  const wanted = requestOf(claim);
  const has = claim.status.capacity?.['storage'] ?? '0';
  if (compareQuantities(wanted, has) <= 0) return settled;
  if (compareQuantities(wanted, capacityOf(volume)) > 0) {
    events.normal(claim, 'Resizing', `External resizer is resizing volume ${volume.metadata.name}`);
    const spec = { ...volume.spec, capacity: { ...volume.spec.capacity, storage: wanted } };
    await api.update(PersistentVolume, { ...volume, spec });
  }
  const conditions = claim.status.conditions?.filter(({ type }) => !RESIZING.includes(type));
  await api.updateStatus(claim, {
    ...claim.status,
    capacity: { ...claim.status.capacity, storage: wanted },
    ...(conditions && { conditions }),
  });
  events.normal(claim, 'VolumeResizeSuccessful', 'Resize volume succeeded');
  return settled;
}

const RESIZING = ['Resizing', 'FileSystemResizePending'];
