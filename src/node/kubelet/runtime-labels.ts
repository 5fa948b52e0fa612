/** How sandboxes and containers are marked, so that they are known again after a restart. Names are upstream's. */
import { createHash } from 'node:crypto';
import type { Container, Pod } from '#api/generated/schema.ts';

export const POD_NAME = 'io.kubernetes.pod.name';
export const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const POD_UID = 'io.kubernetes.pod.uid';
export const CONTAINER_NAME = 'io.kubernetes.container.name';
const POD_GRACE = 'io.kubernetes.pod.terminationGracePeriod';
const CONTAINER_HASH = 'io.kubernetes.container.hash';
const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
const MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';

interface Marked {
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export const podLabels = ({ metadata }: Pod): Record<string, string> => ({
  ...metadata.labels,
  [POD_NAME]: metadata.name,
  [POD_NAMESPACE]: metadata.namespace ?? '',
  [POD_UID]: metadata.uid,
});

export const podAnnotations = ({ metadata, spec }: Pod): Record<string, string> => ({
  ...metadata.annotations,
  [POD_GRACE]: String(spec.terminationGracePeriodSeconds),
});

export const containerLabels = (pod: Pod, container: Container): Record<string, string> => ({
  [POD_NAME]: pod.metadata.name,
  [POD_NAMESPACE]: pod.metadata.namespace ?? '',
  [POD_UID]: pod.metadata.uid,
  [CONTAINER_NAME]: container.name,
});

export const containerAnnotations = (pod: Pod, container: Container, restartCount: number): Record<string, string> => ({
  [CONTAINER_HASH]: hashOf(container),
  [RESTART_COUNT]: String(restartCount),
  [MESSAGE_PATH]: container.terminationMessagePath,
  [MESSAGE_POLICY]: container.terminationMessagePolicy,
  [POD_GRACE]: String(pod.spec.terminationGracePeriodSeconds),
});

/** Changes when the container must be made anew. Of what may change in a running pod, that is the image. */
export const hashOf = ({ name, image }: Pick<Container, 'name' | 'image'>): string =>
  createHash('sha256').update(JSON.stringify({ name, image })).digest('hex').slice(0, 8);

export const hashAnnotation = ({ annotations }: Marked): string | undefined => annotations[CONTAINER_HASH];
export const restartCountOf = ({ annotations }: Marked): number => Number(annotations[RESTART_COUNT] ?? 0) || 0;
export const messagePathOf = ({ annotations }: Marked): string => annotations[MESSAGE_PATH] ?? '';
export const fallsBackToLogs = ({ annotations }: Marked): boolean =>
  annotations[MESSAGE_POLICY] === 'FallbackToLogsOnError';
export const graceSecondsOf = ({ annotations }: Marked): number | undefined => {
  const seconds = Number(annotations[POD_GRACE] ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
};
