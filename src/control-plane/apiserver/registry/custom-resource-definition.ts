/** Deleting a definition deletes its objects first: a finalizer of ours keeps it until they have gone. */
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import type { Behaviour } from './behaviour.ts';

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export const definitionBehaviour: Behaviour<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  plural: 'customresourcedefinitions',
  returnsDeleted: true,
  mayBeRemoved: ({ metadata }) => metadata.deletionTimestamp !== undefined,
  markDeleting(definition) {
    const others = (definition.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    return { ...definition, metadata: { ...definition.metadata, finalizers: [...others, CLEANUP_FINALIZER] } };
  },
};
