/**
 * How a request reaches an API server. Two transports, one behaviour: in the process (frozen objects, no JSON) and over
 * TLS. A component cannot tell which it has; one conformance suite runs against both.
 */
import type { KubeObject } from '#api/machinery/object.ts';
import type { Followable } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';

export interface UserInfo {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query, e.g. `/api/v1/pods?limit=500`. */
  path: string;
  /** The body, as an object (never mutated) or as bytes of `contentType`. At most one of the two. */
  object?: unknown;
  body?: Uint8Array;
  contentType?: string;
  signal?: AbortSignal;
}

export interface ApiReply {
  code: number;
  /** The decoded, frozen body: an object, a list, or a Status with code < 400. Failures throw StatusError instead. */
  object: unknown;
  warnings: readonly string[];
}

export type WatchEvent<T extends KubeObject = KubeObject> = {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
};

export interface Transport {
  /** It leads to a server that begins a watch with what there is, when asked to: then nobody has to list before. */
  readonly streamsLists?: boolean;
  /** Throws StatusError for every answer of 400 and above, and `Unreachable` when there was no answer. */
  request(request: ApiRequest): Promise<ApiReply>;
  /** `path` carries `watch=1`. Ends when the server ends it; throws StatusError (410 Expired …) or Unreachable. */
  watch(request: { path: string; signal: Signal }): Followable<WatchEvent>;
}

/** No answer came: refused, reset, timed out. Whether a write took effect is not known. */
export class Unreachable extends Error {
  readonly code = 'Unreachable';
}

/** What the API server offers to the in-process transport; implemented by `apiserver/pipeline`. */
export interface RequestPipeline {
  handle(request: ApiRequest & { user: UserInfo }): Promise<ApiReply>;
  watch(request: { user: UserInfo; path: string; signal: Signal }): Followable<WatchEvent>;
}
