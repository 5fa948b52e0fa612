/**
 * Has the volumes of a node's pods attached to it, where a driver asks for that, and detached when no pod needs them and
 * the kubelet has let go of them. It asks by VolumeAttachments; the driver acts. Source: "Volumes", CSI; KEP-2268.
 */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimNameOf, isBoundTo } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { usesNothing } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { attachmentName, needsAttaching, uniqueVolumeName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import {
  again,
  type Cached,
  defineController,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';

const writes = { create: [VolumeAttachment], delete: [VolumeAttachment], status: [Node] } as const;
type Read =
  | Kind<Node>
  | Kind<Pod>
  | Kind<PersistentVolumeClaim>
  | Kind<PersistentVolume>
  | Kind<CSIDriver>
  | Kind<VolumeAttachment>;
type Context = ReconcileContext<never, Read, typeof writes>;

/** A volume that nobody needs is taken from a node that does not answer after so long. Upstream's maxWaitForUnmountDuration. */
const FORCE_AFTER_MS = 6 * 60_000;
const RETRY_MS = 2_000;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** What this process alone knows of a node; as much as there are attachments of which it is true now. */
interface Memory {
  /** Since when an attachment, by name, is no longer needed. */
  unneededSinceMs: ReadonlyMap<string, number>;
  /** Attachments that wait for another node, by name: their pods were told. */
  told: ReadonlySet<string>;
}

const NOTHING_KNOWN: Memory = { unneededSinceMs: new Map(), told: new Set() };

export const attachDetach = () => {
  const memories = new Map<string, Memory>();
  return defineController({
    name: 'persistentvolume-attach-detach-controller',
    serviceAccount: 'attachdetach-controller',
    eventSource: 'attachdetach-controller',
    reconciles: Node,
    when: (now, before) =>
      String(now.status?.volumesInUse) !== String(before.status?.volumesInUse) ||
      now.spec.taints?.length !== before.spec.taints?.length ||
      isReadyNode(now.status) !== isReadyNode(before.status),
    watches: [
      watching(
        Pod,
        (pod, cached) => (pod.spec.nodeName && attachableOf(pod, cached).length > 0 ? [pod.spec.nodeName] : []),
        (now, before) => now.spec.nodeName !== before.spec.nodeName || usesNothing(now) !== usesNothing(before),
      ),
      watching(
        PersistentVolumeClaim,
        (claim, cached) => nodesUsing(claim, cached),
        (now, before) => now.spec.volumeName !== before.spec.volumeName,
      ),
      watching(
        PersistentVolume,
        ({ spec: { csi, claimRef } }, cached) => {
          const claim = csi && cached(PersistentVolumeClaim).get(`${claimRef?.namespace}/${claimRef?.name}`);
          return claim ? nodesUsing(claim as PersistentVolumeClaim, cached) : [];
        },
        (now, before) => now.spec.claimRef?.uid !== before.spec.claimRef?.uid,
      ),
      watching(CSIDriver, (_, cached) =>
        cached(Node)
          .list()
          .map(({ metadata }) => metadata.name),
      ),
      watching(VolumeAttachment, ({ spec }) => [spec.nodeName]),
    ],
    writes,

    async reconcile(node, context) {
      const { name } = node.metadata;
      const [wanted, there] = [wantedOn(name, context), attachmentsOn(name, context)];
      // Who has a volume lets go of it before somebody else takes it.
      const memory = memories.get(name) ?? NOTHING_KNOWN;
      const unneededSinceMs = unneededSince({ wanted, there, memory }, context);
      memories.set(name, { ...memory, unneededSinceMs });
      const waits = await detach(node, { wanted, there, unneededSinceMs }, context);
      const { outcomes: tries, told } = await attach(node, { wanted, told: memory.told }, context);
      if (unneededSinceMs.size + told.size > 0) memories.set(name, { unneededSinceMs, told });
      else memories.delete(name);
      const outcomes = [...tries, ...waits];
      await sayAttached(node, { wanted, there }, context);
      return outcomes.find(({ type }) => type === 'again') ?? settled;
    },

    async gone(context) {
      memories.delete(context.key);
      const wanted = wantedOn(context.key, context);
      for (const attachment of attachmentsOn(context.key, context)) {
        const name = volumeNameOf(attachment, context);
        // Its pods may still run there until they are known to be gone.
        if (name === undefined || !wanted.has(name)) await context.api.delete(VolumeAttachment, attachment);
      }
      return settled;
    },
  });
};

interface Attachable {
  volume: PersistentVolume;
  csi: NonNullable<PersistentVolume['spec']['csi']>;
  pods: Pod[];
}

/** The volumes of a pod that have to be attached. */
function attachableOf(pod: Pod, cached: Cached<Kind>): PersistentVolume[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    if (name === undefined) return [];
    const claim = cached(PersistentVolumeClaim).get(`${pod.metadata.namespace}/${name}`) as
      | PersistentVolumeClaim
      | undefined;
    const found = claim?.spec.volumeName ? cached(PersistentVolume).get(claim.spec.volumeName) : undefined;
    const bound = found as PersistentVolume | undefined;
    if (!claim || !bound?.spec.csi || !isBoundTo(bound, claim)) return [];
    return needsAttaching(cached(CSIDriver).get(bound.spec.csi.driver) as CSIDriver | undefined) ? [bound] : [];
  });
}

const nodesUsing = ({ metadata }: PersistentVolumeClaim, cached: Cached<Kind>): ObjectKey[] =>
  (cached(Pod).inNamespace(metadata.namespace ?? '') as Pod[])
    .filter((pod) => pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) === metadata.name))
    .flatMap(({ spec }) => (spec.nodeName ? [spec.nodeName] : []));

/** By node: pods that are not over and use claims. */
function claimingNodeOf(pod: Pod): string | undefined {
  if (usesNothing(pod) || !pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) !== undefined)) return undefined;
  return pod.spec.nodeName;
}

/** By the unique name of the volume. */
function wantedOn(node: string, { cached }: Context): Map<string, Attachable> {
  const wanted = new Map<string, Attachable>();
  const isAny = cached(PersistentVolume)
    .list()
    .some(({ spec }) => spec.csi && needsAttaching(cached(CSIDriver).get(spec.csi.driver)));
  if (!isAny) return wanted;
  for (const pod of cached(Pod).by(claimingNodeOf, node)) {
    for (const volume of attachableOf(pod, cached as Cached<Kind>)) {
      const { csi } = volume.spec;
      if (!csi) continue;
      const known = wanted.get(uniqueVolumeName(csi));
      if (known) known.pods.push(pod);
      else wanted.set(uniqueVolumeName(csi), { volume, csi, pods: [pod] });
    }
  }
  return wanted;
}

/** As this controller names them; what others make is theirs. */
const isOurs = ({ metadata }: VolumeAttachment): boolean => /^csi-[0-9a-f]{64}$/.test(metadata.name);

const attachmentsOn = (node: string, { cached }: Pick<Context, 'cached'>): VolumeAttachment[] =>
  cached(VolumeAttachment)
    .list()
    .filter((attachment) => attachment.spec.nodeName === node && isOurs(attachment));

async function attach(
  node: Node,
  { wanted, told }: Pick<Attachments, 'wanted'> & Pick<Memory, 'told'>,
  context: Context,
): Promise<{ outcomes: Outcome[]; told: Memory['told'] }> {
  const outcomes: Outcome[] = [];
  const waiting = new Set<string>();
  for (const { volume, csi, pods } of wanted.values()) {
    const name = attachmentName(csi, node.metadata.name);
    const there = context.cached(VolumeAttachment).get(name);
    const others = there ? [] : attachedElsewhere(volume, node, context);
    if (others.length > 0) {
      if (!told.has(name)) tellMultiAttach({ volume, csi, pods }, others, context);
      waiting.add(name);
      outcomes.push(again({ afterMs: RETRY_MS }));
      continue;
    }
    if (there) tellFailure(there, pods, context);
    else
      await context.api.create(VolumeAttachment, {
        metadata: { name },
        spec: {
          attacher: csi.driver,
          nodeName: node.metadata.name,
          source: { persistentVolumeName: volume.metadata.name },
        },
      });
  }
  return { outcomes, told: waiting };
}

const SHARED = ['ReadWriteMany', 'ReadOnlyMany'];

/** The nodes that have a volume which only one may have at a time. */
function attachedElsewhere({ metadata, spec }: PersistentVolume, node: Node, { cached }: Context): string[] {
  if (spec.accessModes.some((mode) => SHARED.includes(mode))) return [];
  return cached(VolumeAttachment)
    .list()
    .filter(({ spec: { source } }) => source.persistentVolumeName === metadata.name)
    .map((other) => other.spec.nodeName)
    .filter((name) => name !== node.metadata.name);
}

/** Of pods in other namespaces no names are told. */
function tellMultiAttach({ volume, csi, pods }: Attachable, others: readonly string[], context: Context): void {
  const users = others.flatMap((node) => wantedOn(node, context).get(uniqueVolumeName(csi))?.pods ?? []);
  for (const pod of pods) {
    const near = users.filter(({ metadata }) => metadata.namespace === pod.metadata.namespace);
    const far = `${users.length - near.length} pod(s) in different namespaces`;
    const names = `pod(s) ${near.map(({ metadata }) => metadata.name).join(', ')}`;
    const who = near.length === 0 ? far : near.length < users.length ? `${names} and ${far}` : names;
    const why =
      users.length > 0
        ? `Volume is already used by ${who}`
        : "Volume is already exclusively attached to one node and can't be attached to another";
    const text = `Multi-Attach error for volume "${volume.metadata.name}" ${why}`;
    context.events.warning(pod, 'FailedAttachVolume', text);
  }
}

function tellFailure({ spec, status }: VolumeAttachment, pods: readonly Pod[], { events }: Context): void {
  const why = status?.attached ? undefined : status?.attachError?.message;
  if (!why) return;
  const name = spec.source.persistentVolumeName;
  for (const pod of pods)
    events.warning(pod, 'FailedAttachVolume', `AttachVolume.Attach failed for volume "${name}" : ${why}`);
}

interface Attachments {
  wanted: Map<string, Attachable>;
  there: readonly VolumeAttachment[];
}

/** By name, those that no pod needs and that are not going yet. */
function unneededSince(
  { wanted, there, memory }: Attachments & { memory: Memory },
  context: Context,
): Memory['unneededSinceMs'] {
  const since = new Map<string, number>();
  for (const attachment of there) {
    const { name, deletionTimestamp } = attachment.metadata;
    const volume = volumeNameOf(attachment, context);
    if (deletionTimestamp || (volume !== undefined && wanted.has(volume))) continue;
    since.set(name, memory.unneededSinceMs.get(name) ?? context.clock.now());
  }
  return since;
}

async function detach(
  node: Node,
  { wanted, there, unneededSinceMs }: Attachments & Pick<Memory, 'unneededSinceMs'>,
  context: Context,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const attachment of there) {
    const sinceMs = unneededSinceMs.get(attachment.metadata.name);
    if (sinceMs === undefined) continue;
    const name = volumeNameOf(attachment, context);
    const waitMs = name === undefined ? 0 : leftInUseMs(node, { name, sinceMs }, context);
    if (waitMs > 0) {
      if (Number.isFinite(waitMs)) outcomes.push(again({ afterMs: waitMs }));
    } else {
      // Nobody may mount what is about to go: it is unsaid first.
      await sayAttached(node, { wanted, there: there.filter((other) => other !== attachment) }, context);
      await context.api.delete(VolumeAttachment, attachment);
    }
  }
  return outcomes;
}

function volumeNameOf({ spec }: VolumeAttachment, { cached }: Context): string | undefined {
  const csi = cached(PersistentVolume).get(spec.source.persistentVolumeName ?? '')?.spec.csi;
  return csi && uniqueVolumeName(csi);
}

/** 0: it may be detached. Infinity: only the kubelet can change that, or its loss. */
function leftInUseMs(
  { spec, status }: Node,
  { name, sinceMs }: { name: string; sinceMs: number },
  { clock }: Context,
): number {
  if (!status?.volumesInUse?.includes(name)) return 0;
  if (spec.taints?.some(({ key }) => key === OUT_OF_SERVICE)) return 0;
  const leftMs = Math.max(0, sinceMs + FORCE_AFTER_MS - clock.now());
  if (leftMs > 0) return leftMs;
  return isReadyNode(status) ? Number.POSITIVE_INFINITY : 0;
}

const isReadyNode = (status: Node['status']): boolean =>
  status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;

/** Tells the kubelet, and of what is new the pods that wait for it. */
async function sayAttached(node: Node, { wanted, there }: Attachments, context: Context): Promise<void> {
  const before = context.cached(Node).get(node.metadata.name)?.status?.volumesAttached ?? [];
  const attached = there.flatMap((attachment) => {
    const name = attachment.status?.attached && !attachment.metadata.deletionTimestamp;
    const volume = name ? volumeNameOf(attachment, context) : undefined;
    return volume ? [{ name: volume, devicePath: '' }] : [];
  });
  attached.sort((a, b) => (a.name < b.name ? -1 : 1));
  const current = await currentNode(node, context);
  if (!current) return;
  const { volumesAttached: _, ...status } = current.status ?? {};
  const next = attached.length > 0 ? { ...status, volumesAttached: attached } : status;
  await context.api.updateStatus(current, next);
  for (const { name } of attached.filter((now) => !before.some((old) => old.name === now.name))) {
    const { volume, pods = [] } = wanted.get(name) ?? {};
    for (const pod of pods)
      context.events.normal(
        pod,
        'SuccessfulAttachVolume',
        `AttachVolume.Attach succeeded for volume "${volume?.metadata.name}" `,
      );
  }
}

/** The step may have written it a moment ago; undefined where there is nothing to say of volumes. */
async function currentNode(node: Node, { api, cached }: Context): Promise<Node | undefined> {
  const known = cached(Node).get(node.metadata.name);
  const isMentioned = known?.status?.volumesAttached || attachmentsOn(node.metadata.name, { cached }).length > 0;
  return isMentioned ? api.get(Node, { name: node.metadata.name }) : undefined;
}
