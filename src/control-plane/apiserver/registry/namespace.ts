/**
 * A Namespace goes when its content is gone: deleting marks it Terminating, and only when its controller has emptied
 * `spec.finalizers` (subresource `finalize`) is it removed. Source: API reference, Namespace; upstream's
 * registry/core/namespace.
 */
import type { Namespace } from '#api/generated/schema.ts';
import type { ObjectMeta } from '#api/machinery/object.ts';
import type { Behaviour } from './behaviour.ts';

export const namespaceBehaviour: Behaviour<Namespace> = {
  group: '',
  plural: 'namespaces',
  returnsDeleted: true,
  mayBeRemoved: ({ spec }) => !spec?.finalizers?.length,
  markDeleting(namespace) {
    const { deletionGracePeriodSeconds: _, ...metadata } = namespace.metadata; // upstream gives it none
    return { ...namespace, metadata: metadata as ObjectMeta, status: { ...namespace.status, phase: 'Terminating' } };
  },
};
