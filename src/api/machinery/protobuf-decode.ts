/**
 * Protobuf messages to the values that JSON would hold, by the facts of their types. Zero values of fields that are not
 * pointers are on the wire; they are kept here, and dropped by the normalise pass that follows. Fields that the facts do not
 * know are skipped. Source: apimachinery v1.36, generated.pb.go, time_proto.go, JSONSchemaProps' marshallers.
 */
import { toBase64 } from './base64.ts';
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from './facts.ts';
import { BYTES, FIXED64, MalformedMessage, VARINT, WireReader } from './protobuf-wire.ts';
import { setOwn } from './set-own.ts';
import { formatMicros, formatSeconds, type Instant } from './timestamp.ts';

/** Deeper than any real object (a CRD's schema nests some 60 levels), and far from the end of the stack. */
export const MAX_DEPTH = 300;

interface Context {
  facts: Facts;
  /** Counted up and down on the way; a message that is refused leaves it where it was, and with it the whole body. */
  depth: number;
  /** Reads an object that stands enveloped in a RawExtension. */
  nested(bytes: Uint8Array, depth: number): unknown;
}

type Message = Record<string, unknown>;

/** Throws MalformedMessage. */
export function decodeMessage(reader: WireReader, type: TypeFacts, context: Context): unknown {
  if (context.depth > MAX_DEPTH) throw new MalformedMessage('exceeded max depth');
  const message: Message = {};
  context.depth++;
  readInto(message, reader, type, context);
  context.depth--;
  return type.union ? unionValue(type.union, message) : message;
}

function readInto(message: Message, reader: WireReader, type: TypeFacts, context: Context): void {
  const fields = byNumber(type);
  while (!reader.done) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    const wireType = tag & 7;
    if (number < 1)
      throw new MalformedMessage(`proto: ${shortName(type)}: illegal tag ${number} (wire type ${wireType})`);
    const field = fields.get(number);
    if (field) readField(message, { field, wireType, reader }, context);
    else reader.skip(wireType);
  }
}

interface Occurrence {
  field: FieldFacts;
  wireType: number;
  reader: WireReader;
}

function readField(message: Message, { field, wireType, reader }: Occurrence, context: Context): void {
  const { type, name } = field;
  if (field.inline && 'ref' in type) {
    expectWire(field, wireType, BYTES);
    const inner = typeNamed(context, type.ref);
    context.depth++;
    readInto(message, reader.part(), inner, context);
    context.depth--;
    return;
  }
  if ('list' in type) {
    message[name] ??= [];
    const list = message[name] as unknown[];
    if (type.named) readNamedList(list, reader.part(), type.list, context);
    else if (wireType === BYTES && isVarintType(type.list)) readPacked(list, reader.part(), type.list);
    else list.push(readValue(type.list, { field, wireType, reader }, context));
    return;
  }
  if ('map' in type) {
    expectWire(field, wireType, BYTES);
    message[name] ??= {};
    const map = message[name] as Message;
    readEntry(map, { field, wireType, reader: reader.part() }, type.map, context);
    return;
  }
  message[name] = readValue(type, { field, wireType, reader }, context);
}

function readEntry(map: Message, { field, reader }: Occurrence, type: TypeRef, context: Context): void {
  let key = '';
  let value: unknown;
  while (!reader.done) {
    const tag = reader.varint();
    const wireType = tag & 7;
    if (tag >> 3 === 1 && wireType === BYTES) key = reader.part().text();
    else if (tag >> 3 === 2) value = readValue(type, { field, wireType, reader }, context);
    else reader.skip(wireType);
  }
  setOwn(map, key, value ?? emptyValue(type));
}

/** What an entry without a value, or a message without the field, stands for. */
function emptyValue(type: TypeRef): unknown {
  if ('list' in type) return [];
  if (!('scalar' in type)) return {};
  if (type.scalar === 'bool') return false;
  if (type.scalar === 'quantity') return '0';
  if (type.scalar === 'time' || type.scalar === 'microTime') return null;
  return isVarintType(type) || type.scalar === 'double' || type.scalar === 'intOrString' ? 0 : '';
}

function readNamedList(list: unknown[], reader: WireReader, element: TypeRef, context: Context): void {
  const field = { name: 'items', type: element } as FieldFacts;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag >> 3 === 1) list.push(readValue(element, { field, wireType: tag & 7, reader }, context));
    else reader.skip(tag & 7);
  }
}

function readPacked(list: unknown[], reader: WireReader, element: TypeRef): void {
  const isBool = 'scalar' in element && element.scalar === 'bool';
  while (!reader.done) list.push(isBool ? reader.varint() !== 0 : reader.varint());
}

const isVarintType = (type: TypeRef): boolean =>
  'scalar' in type && (type.scalar === 'int32' || type.scalar === 'int64' || type.scalar === 'bool');

function readValue(type: TypeRef, at: Occurrence, context: Context): unknown {
  if ('scalar' in type) return readScalar(type.scalar, at, context);
  expectWire(at.field, at.wireType, BYTES);
  if ('ref' in type) return decodeMessage(at.reader.part(), typeNamed(context, type.ref), context);
  if ('list' in type && type.named) {
    const list: unknown[] = [];
    readNamedList(list, at.reader.part(), type.list, context);
    return list;
  }
  throw new MalformedMessage(`proto: field ${at.field.name} has no wire form`);
}

function readScalar(scalar: Scalar, { field, wireType, reader }: Occurrence, context: Context): unknown {
  if (scalar === 'int32' || scalar === 'int64' || scalar === 'bool') {
    expectWire(field, wireType, VARINT);
    const value = reader.varint();
    if (scalar === 'bool') return value !== 0;
    return scalar === 'int32' ? value | 0 : value;
  }
  if (scalar === 'double') {
    expectWire(field, wireType, FIXED64);
    return reader.double();
  }
  expectWire(field, wireType, BYTES);
  return readSpecial(scalar, reader.part(), context);
}

function readSpecial(scalar: Scalar, part: WireReader, context: Context): unknown {
  switch (scalar) {
    case 'string':
      return part.text();
    case 'bytes':
      return toBase64(part.rest());
    case 'quantity':
      return bytesField(part, 1).text() || '0';
    case 'time':
    case 'microTime':
      return timeOf(part, scalar);
    case 'intOrString':
      return intOrString(part);
    default:
      return rawValue(bytesField(part, 1), context);
  }
}

/** The last value of one length-delimited field of a small message; empty when it is absent. */
function bytesField(reader: WireReader, number: number): WireReader {
  let found = new WireReader(reader.bytes, reader.end, reader.end);
  while (!reader.done) {
    const tag = reader.varint();
    if (tag >> 3 === number && (tag & 7) === BYTES) found = reader.part();
    else reader.skip(tag & 7);
  }
  return found;
}

function timeOf(part: WireReader, scalar: 'time' | 'microTime'): string | null {
  if (part.done) return null;
  const instant: Instant = { seconds: 0, nanos: 0 };
  while (!part.done) {
    const tag = part.varint();
    if (tag === 8) instant.seconds = part.varint();
    else if (tag === 16) instant.nanos = part.varint();
    else part.skip(tag & 7);
  }
  // JSON holds whole seconds of a Time, so protobuf must not hold more.
  const printed = scalar === 'time' ? formatSeconds(instant.seconds) : formatMicros(instant);
  if (printed === undefined) throw new MalformedMessage('Time.MarshalJSON: year outside of range [0,9999]');
  return printed;
}

function intOrString(part: WireReader): number | string {
  let isText = false;
  let number = 0;
  let string = '';
  while (!part.done) {
    const tag = part.varint();
    if (tag === 8) isText = part.varint() === 1;
    else if (tag === 16) number = part.varint() | 0;
    else if (tag === 26) string = part.part().text();
    else part.skip(tag & 7);
  }
  return isText ? string : number;
}

/** RawExtension, JSON and FieldsV1 hold a JSON text, or an enveloped object of their own. */
function rawValue(part: WireReader, context: Context): unknown {
  if (part.done) return null;
  const bytes = part.rest();
  if (isEnvelope(bytes)) return context.nested(bytes, context.depth + 1);
  try {
    return JSON.parse(part.text());
  } catch (error) {
    if (error instanceof SyntaxError) throw new MalformedMessage(`json: ${error.message}`);
    throw error;
  }
}

/** `k8s` and a zero byte. */
export const isEnvelope = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;

function unionValue(union: NonNullable<TypeFacts['union']>, message: Message): unknown {
  const { schema = null, jSONSchemas, property, allows } = message as Record<string, unknown[] | undefined>;
  if (union === 'array') return jSONSchemas?.length ? jSONSchemas : schema;
  if (union === 'stringArray') return property?.length ? property : schema;
  return schema ?? Boolean(allows);
}

function expectWire(field: FieldFacts, wireType: number, expected: number): void {
  if (wireType !== expected)
    throw new MalformedMessage(`proto: wrong wireType = ${wireType} for field ${goName(field)}`);
}

const goName = ({ name }: FieldFacts): string => name.charAt(0).toUpperCase() + name.slice(1);
const shortName = ({ name }: TypeFacts): string => name.slice(name.lastIndexOf('.') + 1);

function typeNamed({ facts }: Context, name: string): TypeFacts {
  const type = facts.type(name);
  if (!type) throw new Error(`the facts refer to ${name} and do not have it`);
  return type;
}

const numbered = new WeakMap<TypeFacts, Map<number, FieldFacts>>();

function byNumber(type: TypeFacts): Map<number, FieldFacts> {
  let fields = numbered.get(type);
  if (!fields) {
    fields = new Map(type.fields.filter(({ number }) => number > 0).map((field) => [field.number, field]));
    numbered.set(type, fields);
  }
  return fields;
}
