/** Takes volumes from a node when nobody needs them there: the kubelet lets go of them first, unless it is lost. */
import type { Node } from '#api/core/v1/node.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { again, type Outcome } from '../define-controller.ts';
import { type AttachContext, type Attachments, volumeNameOf } from './attachable-volumes.ts';
import { sayAttached } from './say-attached.ts';

/** A volume that nobody needs is taken from a node that does not answer after so long. Upstream's maxWaitForUnmountDuration. */
const FORCE_AFTER_MS = 6 * 60_000;
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** Since when an attachment, by name, is no longer needed. */
export type UnneededSinceMs = ReadonlyMap<string, number>;

/** By name, those that no pod needs and that are not going yet. */
export function unneededSince(
  { wanted, there, memory }: Attachments & { memory: UnneededSinceMs },
  context: AttachContext,
): UnneededSinceMs {
  const since = new Map<string, number>();
  for (const attachment of there) {
    const { name, deletionTimestamp } = attachment.metadata;
    const volume = volumeNameOf(attachment, context);
    if (deletionTimestamp || (volume !== undefined && wanted.has(volume))) continue;
    since.set(name, memory.get(name) ?? context.clock.now());
  }
  return since;
}

export async function detach(
  node: Node,
  { wanted, there, unneededSinceMs }: Attachments & { unneededSinceMs: UnneededSinceMs },
  context: AttachContext,
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

/** 0: it may be detached. Infinity: only the kubelet can change that, or its loss. */
function leftInUseMs(
  { spec, status }: Node,
  { name, sinceMs }: { name: string; sinceMs: number },
  { clock }: AttachContext,
): number {
  if (!status?.volumesInUse?.includes(name)) return 0;
  if (spec.taints?.some(({ key }) => key === OUT_OF_SERVICE)) return 0;
  const leftMs = Math.max(0, sinceMs + FORCE_AFTER_MS - clock.now());
  if (leftMs > 0) return leftMs;
  return isReadyNode(status) ? Number.POSITIVE_INFINITY : 0;
}

export const isReadyNode = (status: Node['status']): boolean =>
  status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
