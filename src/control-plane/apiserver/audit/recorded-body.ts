/** Bodies as an audit event shows them: JSON, whatever they came as. */
import { facts } from '#api/generated/facts.ts';
import { parseJson } from '#api/machinery/codec-json.ts';
import { decodeProtobuf, PROTOBUF_MEDIA_TYPE } from '#api/machinery/codec-protobuf.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { mediaTypeOf, YAML_MEDIA_TYPE } from '../request-body.ts';

const decoder = new TextDecoder();
const YAML_TYPES: ReadonlySet<string> = new Set([YAML_MEDIA_TYPE, 'application/apply-patch+yaml']);

/** undefined for what cannot be read: then the request is refused, and its refusal is recorded. */
export function recordedBody(bytes: Uint8Array, contentType: string): unknown {
  const type = mediaTypeOf(contentType);
  if (type === PROTOBUF_MEDIA_TYPE) {
    const decoded = decodeProtobuf(facts, bytes);
    return 'object' in decoded ? decoded.object : undefined;
  }
  const text = decoder.decode(bytes);
  const parsed = YAML_TYPES.has(type) ? parseYaml(text) : parseJson(text);
  return 'problem' in parsed ? undefined : parsed.value;
}

interface MaybeObject {
  metadata?: { managedFields?: unknown };
  items?: unknown;
}

/** Of an object, and of the objects of a list. */
export function withoutManagedFields(object: unknown): unknown {
  if (typeof object !== 'object' || object === null) return object;
  const { metadata, items } = object as MaybeObject;
  const shorter =
    typeof metadata === 'object' && metadata !== null && 'managedFields' in metadata
      ? { ...object, metadata: without(metadata) }
      : object;
  return Array.isArray(items) ? { ...shorter, items: items.map(withoutManagedFields) } : shorter;
}

function without({ managedFields: _dropped, ...rest }: { managedFields?: unknown }): object {
  return rest;
}
