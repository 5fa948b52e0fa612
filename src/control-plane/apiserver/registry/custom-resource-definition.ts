/** Deleting a definition deletes its objects first: a finalizer of ours keeps it until they have gone. */
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import { terminating } from '../definition-status.ts';
import type { Behaviour } from './behaviour.ts';

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export const definitionBehaviour: Behaviour<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  plural: 'customresourcedefinitions',
  returnsDeleted: true,
  mayBeRemoved: ({ metadata }) => metadata.deletionTimestamp !== undefined,
  markDeleting(definition, { nowMs }) {
    const others = (definition.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    const metadata = { ...definition.metadata, finalizers: [...others, CLEANUP_FINALIZER] };
    const isKnown = definition.status?.conditions?.some(({ type }) => type === 'Terminating');
    if (isKnown) return { ...definition, metadata };
    return { ...definition, metadata, status: terminating(definition, 'InstanceDeletionPending', { nowMs }) };
  },
};
