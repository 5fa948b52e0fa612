/** What is attached, as the node's status says it. */
import { Node } from '#api/core/v1/node.ts';
import { type AttachContext, type Attachments, attachmentsOn, volumeNameOf } from './attachable-volumes.ts';

/** Tells the kubelet, and of what is new the pods that wait for it. */
export async function sayAttached(node: Node, { wanted, there }: Attachments, context: AttachContext): Promise<void> {
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
async function currentNode(node: Node, { api, cached }: AttachContext): Promise<Node | undefined> {
  const known = cached(Node).get(node.metadata.name);
  const isMentioned = known?.status?.volumesAttached || attachmentsOn(node.metadata.name, { cached }).length > 0;
  return isMentioned ? api.get(Node, { name: node.metadata.name }) : undefined;
}
