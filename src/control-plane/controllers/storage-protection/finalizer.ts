/** The finalizer of what must not go while it is in use. Source: "Storage Object in Use Protection". */
import type { KubeObject } from '#api/machinery/object.ts';

export const hasFinalizer = ({ metadata }: KubeObject, finalizer: string): boolean =>
  metadata.finalizers?.includes(finalizer) ?? false;

export const withFinalizer = <T extends KubeObject>(object: T, finalizer: string): T => ({
  ...object,
  metadata: { ...object.metadata, finalizers: [...(object.metadata.finalizers ?? []), finalizer] },
});

export const withoutFinalizer = <T extends KubeObject>(object: T, finalizer: string): T => ({
  ...object,
  metadata: { ...object.metadata, finalizers: (object.metadata.finalizers ?? []).filter((one) => one !== finalizer) },
});

/** Told to go, and kept by this finalizer. */
export const isHeld = (object: KubeObject, finalizer: string): boolean =>
  object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, finalizer);

/** From before admission gave it to everybody. */
export const lacksFinalizer = (object: KubeObject, finalizer: string): boolean =>
  object.metadata.deletionTimestamp === undefined && !hasFinalizer(object, finalizer);
