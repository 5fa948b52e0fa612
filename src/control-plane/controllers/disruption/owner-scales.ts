/** The size of a pod's owner of any kind, by its scale subresource. Source: disruption controller, getScaleController. */
import type { Scale } from '#api/generated/schema.ts';
import { type KindRegistry, pathOf, resourceName } from '#api/machinery/kind.ts';
import type { OwnerReference } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Transport } from '#client/transport.ts';

export interface Sized {
  uid: string;
  replicas: number;
}

/** Nobody can say how many pods an owner wants. */
export class UnknownScale extends Error {}

export interface OwnerScales {
  /** undefined: it is gone, or another one has its name. Throws UnknownScale. */
  sizeOf(owner: OwnerReference, namespace: string): Promise<Sized | undefined>;
}

export const ownerScalesOver = (transport: Transport, kinds: KindRegistry): OwnerScales => ({
  async sizeOf({ apiVersion, kind: name, name: owner, uid }, namespace) {
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const kind = kinds.byKind(group, version, name);
    if (!kind)
      throw new UnknownScale(`no matches for kind ${JSON.stringify(name)} in version ${JSON.stringify(apiVersion)}`);
    if (!kind.scale && !kind.subresources.some((each) => each.name === 'scale'))
      throw new UnknownScale(`${resourceName(kind)} does not implement the scale subresource`);
    try {
      const path = pathOf(kind, { name: owner, namespace, subresource: 'scale' });
      const scale = (await transport.request({ method: 'GET', path })).object as Scale;
      return scale.metadata?.uid === uid ? { uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      if (error instanceof StatusError) throw new UnknownScale(error.message);
      throw error;
    }
  },
});
