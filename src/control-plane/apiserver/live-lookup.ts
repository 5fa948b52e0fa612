import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Soon } from '#base/soon.ts';

/**
 * Reads what is stored now, past every copy that may lag: for decisions about objects that may be a moment old. The
 * object is frozen; undefined when there is none.
 */
export type LiveLookup = <T extends KubeObject>(
  kind: Kind<T>,
  at: { name: string; namespace?: string },
) => Soon<T | undefined>;
