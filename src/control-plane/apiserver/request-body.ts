/** What a client sent along: bytes of some media type over the wire, the object itself inside the process. */
import { unsupportedMediaType } from '#api/machinery/status.ts';

export type RequestBody = { object: unknown; contentType: string } | { bytes: Uint8Array; contentType: string };

export const JSON_MEDIA_TYPE = 'application/json';
export const YAML_MEDIA_TYPE = 'application/yaml';

/** `application/json; charset=utf-8` → `application/json`. '' when there is none. */
export const mediaTypeOf = (contentType: string | undefined): string =>
  (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();

export const refuseMediaType = (accepted: readonly string[]) =>
  unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );

/** What an in-process caller attached, if anything. */
export function attachedBody({
  object,
  body,
  contentType = JSON_MEDIA_TYPE,
}: {
  object?: unknown;
  body?: Uint8Array;
  contentType?: string;
}): RequestBody | undefined {
  if (object !== undefined) return { object, contentType };
  return body && { bytes: body, contentType };
}
