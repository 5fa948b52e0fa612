/** Asks for the attachments that pods wait for, and tells them why it takes time. */
import type { Node } from '#api/core/v1/node.ts';
import type { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { attachmentName, uniqueVolumeName } from '#api/storage/v1/attachment-name.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { again, type Outcome } from '../define-controller.ts';
import { type Attachable, type AttachContext, type Attachments, wantedOn } from './attachable-volumes.ts';

const RETRY_MS = 2_000;

export async function attach(
  node: Node,
  { wanted, told }: Pick<Attachments, 'wanted'> & { told: ReadonlySet<string> },
  context: AttachContext,
): Promise<{ outcomes: Outcome[]; told: ReadonlySet<string> }> {
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
function attachedElsewhere({ metadata, spec }: PersistentVolume, node: Node, { cached }: AttachContext): string[] {
  if (spec.accessModes.some((mode) => SHARED.includes(mode))) return [];
  return cached(VolumeAttachment)
    .list()
    .filter(({ spec: { source } }) => source.persistentVolumeName === metadata.name)
    .map((other) => other.spec.nodeName)
    .filter((name) => name !== node.metadata.name);
}

/** Of pods in other namespaces no names are told. */
function tellMultiAttach({ volume, csi, pods }: Attachable, others: readonly string[], context: AttachContext): void {
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

function tellFailure({ spec, status }: VolumeAttachment, pods: readonly Pod[], { events }: AttachContext): void {
  const why = status?.attached ? undefined : status?.attachError?.message;
  if (!why) return;
  const name = spec.source.persistentVolumeName;
  for (const pod of pods)
    events.warning(pod, 'FailedAttachVolume', `AttachVolume.Attach failed for volume "${name}" : ${why}`);
}
