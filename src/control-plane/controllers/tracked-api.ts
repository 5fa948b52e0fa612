/** The writes of one step: each is remembered until the caches have seen it. */

import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client, DeleteOptions, Draft, Named, PatchType } from '#client/client.ts';
import type { Writes } from './define-controller.ts';
import type { WriteBarrier } from './write-barrier.ts';

interface Parts {
  client: Client;
  barrier: WriteBarrier;
  writes: Writes;
  /** Of a write that the step has reckoned with. */
  reckoned?(verb: 'create' | 'status', version: ResourceVersion): void;
}

export function trackedApi(key: ObjectKey, { client, barrier, writes, reckoned }: Parts) {
  return {
    get: (kind: Kind, at: Named) => client.get(kind, at),
    list: async (kind: Kind, options: { namespace?: string }) => (await client.list(kind, options)).items,

    async create(kind: Kind, draft: Draft<KubeObject>): Promise<KubeObject> {
      const created = await client.create(kind, draft);
      barrier.wrote(key, kind, created.metadata.resourceVersion);
      reckoned?.('create', created.metadata.resourceVersion);
      return created;
    },

    async update(kind: Kind, object: KubeObject): Promise<KubeObject> {
      const updated = await client.update(kind, object);
      barrier.wrote(key, kind, updated.metadata.resourceVersion, object.metadata.resourceVersion);
      return updated;
    },

    async updateApproval(kind: Kind, object: KubeObject): Promise<KubeObject> {
      const updated = await client.update(kind, object, 'approval');
      barrier.wrote(key, kind, updated.metadata.resourceVersion, object.metadata.resourceVersion);
      return updated;
    },

    async patch(kind: Kind, at: Named & { subresource?: string }, patch: { type: PatchType; patch: unknown }) {
      const { name, namespace, subresource } = at;
      const target = { name, ...(namespace && { namespace }), ...(subresource && { subresource }) };
      const patched = await client.patch(kind, target, patch);
      barrier.wrote(key, kind, patched.metadata.resourceVersion);
      return patched;
    },

    async apply(kind: Kind, at: Named, applied: { manager: string; fields: object }): Promise<KubeObject> {
      const result = await client.apply(kind, at, applied);
      barrier.wrote(key, kind, result.metadata.resourceVersion);
      return result;
    },

    async delete(kind: Kind, object: KubeObject, options: DeleteOptions = {}): Promise<void> {
      const { name, namespace, uid } = object.metadata;
      try {
        const at = { name, ...(namespace && { namespace }) };
        await client.delete(kind, at, Object.assign({}, options, { preconditions: { uid } }));
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
      barrier.deleted(key, kind, { key: keyOf(object), uid });
    },

    async updateStatus(
      object: KubeObject & { status?: unknown },
      status: unknown,
      annotations = object.metadata.annotations,
    ): Promise<KubeObject> {
      if (isEqual(object.status ?? {}, status) && isEqual(object.metadata.annotations, annotations)) return object;
      const kind = writes.status?.find((each) => each.kind === object.kind && apiVersionOf(each) === object.apiVersion);
      if (!kind) throw new Error(`the status of ${object.kind} is not declared as written`);
      const { metadata: before } = object;
      const metadata = annotations && annotations !== before.annotations ? { ...before, annotations } : before;
      const updated = await client.updateStatus(kind, { ...object, metadata, status } as KubeObject);
      barrier.wrote(key, kind, updated.metadata.resourceVersion, object.metadata.resourceVersion);
      reckoned?.('status', updated.metadata.resourceVersion);
      return updated;
    },
  };
}
