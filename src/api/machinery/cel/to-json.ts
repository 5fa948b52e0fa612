/** Values as JSON: what a policy's patch, an audit annotation or a status is made of. */
import { toBase64 } from '../base64.ts';
import { textOfDuration } from './operations/convert.ts';
import { formatTimestamp } from './timestamp.ts';
import {
  Boxed,
  CelError,
  Double,
  Duration,
  List,
  MapLike,
  Opaque,
  Optional,
  StructValue,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from './value.ts';

/**
 * Plain JSON, or why there is none. As in protobuf's JSON, ints beyond 2^53 are text, bytes base64, times and durations text;
 * an optional is its value or null.
 */
export function toJson(value: Value): { json: unknown; error?: undefined } | { json?: undefined; error: string } {
  const json = jsonOf(value);
  return json instanceof CelError ? { error: json.message } : { json };
}

function jsonOf(value: Value): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Boxed)) return value instanceof Uint8Array ? toBase64(value) : value;
  if (value instanceof List) return listOf(value);
  if (value instanceof MapLike) return mapOf(value);
  if (value instanceof StructValue) return structOf(value);
  if (value instanceof Double) return Number.isFinite(value.value) ? value.value : String(value.value);
  if (value instanceof Uint) return jsonOf(value.value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return textOfDuration(value);
  if (value instanceof Optional) return value.value === undefined ? null : jsonOf(value.value);
  if (value instanceof TypeValue) return value.of.name;
  return value instanceof Opaque ? value.toJson() : new CelError(`no JSON for ${value.type.name}`);
}

function listOf(list: List): unknown {
  const items: unknown[] = [];
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    const json = item instanceof CelError ? item : jsonOf(item);
    if (json instanceof CelError) return json;
    items.push(json);
  }
  return items;
}

function mapOf(map: MapLike): unknown {
  const entries: [string, unknown][] = [];
  for (const key of map.keys()) {
    if (typeof key !== 'string') return new CelError(`map key ${JSON.stringify(jsonOf(key))} is not string`);
    const value = map.find(key) ?? null;
    const json = value instanceof CelError ? value : jsonOf(value);
    if (json instanceof CelError) return json;
    entries.push([key, json]);
  }
  return Object.fromEntries(entries);
}

function structOf({ fields }: StructValue): unknown {
  const entries: [string, unknown][] = [];
  for (const [name, value] of fields) {
    const json = jsonOf(value);
    if (json instanceof CelError) return json;
    entries.push([name, json]);
  }
  return Object.fromEntries(entries);
}
