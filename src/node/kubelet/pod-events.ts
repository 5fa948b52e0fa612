/** Events about a pod or one of its containers. */
import type { Container, Pod } from '#api/generated/schema.ts';
import { type EventSink, referenceTo } from '#client/event-recorder.ts';
import { fieldPathOf } from './pod-containers.ts';

export interface PodEvents {
  normal(pod: Pod, container: Container | undefined, reason: string, message: string): void;
  warning(pod: Pod, container: Container | undefined, reason: string, message: string): void;
}

export function podEvents(sink: EventSink): PodEvents {
  const about = (pod: Pod, container: Container | undefined) => ({
    ...referenceTo({ apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata }),
    ...(container && { fieldPath: fieldPathOf(pod, container) }),
  });
  return {
    normal: (pod, container, reason, message) => sink.normal(about(pod, container), reason, message),
    warning: (pod, container, reason, message) => sink.warning(about(pod, container), reason, message),
  };
}
