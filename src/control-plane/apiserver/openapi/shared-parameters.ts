/** Parameters that a document of OpenAPI 2 tells once for many operations, as servers do that are built with v1.27 and later. Pure. */
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';

const PREFIX = '#/parameters/';
/** Of JSON, for all that is put in place together: a short document must not become one without end. */
const MAX_LENGTH = 16 * 1024 * 1024;

/**
 * The paths with the parameters themselves where they refer to them: documents can then be joined path by path. undefined when
 * that would be too much.
 */
export function withParametersInPlace(paths: JsonObject, shared: JsonObject): JsonObject | undefined {
  const lengths = new Map<string, number>();
  let length = 0;
  const meant = (given: Json): Json => {
    const name = referredTo(given);
    const found = name !== undefined && Object.hasOwn(shared, name) ? shared[name] : undefined;
    if (name === undefined || found === undefined) return given;
    const known = lengths.get(name) ?? JSON.stringify(found).length;
    lengths.set(name, known);
    length += known;
    return found;
  };
  const inPlace = (holder: Json): Json => {
    const parameters = isJsonObject(holder) ? holder['parameters'] : undefined;
    return isJsonObject(holder) && Array.isArray(parameters)
      ? { ...holder, parameters: parameters.map(meant) }
      : holder;
  };
  const eachIn = (all: Json, change: (value: Json) => Json): Json =>
    isJsonObject(all) ? Object.fromEntries(Object.entries(all).map(([name, value]) => [name, change(value)])) : all;
  const changed = eachIn(paths, (item) => eachIn(inPlace(item), inPlace)) as JsonObject;
  return length > MAX_LENGTH ? undefined : changed;
}

function referredTo(parameter: Json): string | undefined {
  const reference = isJsonObject(parameter) ? parameter['$ref'] : undefined;
  return typeof reference === 'string' && reference.startsWith(PREFIX) ? reference.slice(PREFIX.length) : undefined;
}
