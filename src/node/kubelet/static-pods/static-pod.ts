/** Pods that a file on the node asks for. Annotations are upstream's: clients and drains know such pods by them. */
import type { Pod } from '#api/generated/schema.ts';

/** Where the pod comes from: `file`, or `api`. */
export const CONFIG_SOURCE = 'kubernetes.io/config.source';
/** The hash of what its file says. */
export const CONFIG_HASH = 'kubernetes.io/config.hash';
export const CONFIG_SEEN = 'kubernetes.io/config.seen';
/** On a pod of the API that only shows one of a node: the hash of what it shows. */
export const CONFIG_MIRROR = 'kubernetes.io/config.mirror';

type Annotated = Pick<Pod, 'metadata'>;
const annotation = ({ metadata }: Annotated, name: string): string | undefined => metadata.annotations?.[name];

/** It is not the API's to say what becomes of it. */
export const isStatic = (pod: Annotated): boolean =>
  isMirror(pod) || (annotation(pod, CONFIG_SOURCE) ?? 'api') !== 'api';
export const isMirror = (pod: Annotated): boolean => annotation(pod, CONFIG_MIRROR) !== undefined;

const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;
/** The node ends it for no one else: it may be what keeps the node or the cluster going. */
export const isCritical = (pod: Pod): boolean => isStatic(pod) || (pod.spec.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY;
