/**
 * Values as JSON holds them to protobuf messages, by the facts of their types, byte for byte as Go's clients write them:
 * fields by number, zero values of fields that are not pointers included, maps by key.
 */
import { fromBase64 } from './base64.ts';
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from './facts.ts';
import { FIXED64, VARINT, type WireWriter } from './protobuf-wire.ts';
import { parseInstant, ZERO_TIME_SECONDS } from './timestamp.ts';

const NOTHING = new Uint8Array(0);

type Message = Record<string, unknown>;

interface Target {
  writer: WireWriter;
  facts: Facts;
}

/** Writes the fields of one message, without a length in front. `value` has been through the normalise pass. */
export function encodeMessage(value: unknown, type: TypeFacts, target: Target): void {
  const message = (type.union ? unionMessage(type.union, value) : value) as Message;
  for (const field of ordered(type)) writeField(message, field, target);
}

function writeField(message: Message, field: FieldFacts, target: Target): void {
  const { type, number, name } = field;
  if (field.inline && 'ref' in type) {
    const inner = target.facts.type(type.ref)!;
    if (field.pointer && ![...inner.jsonFields.keys()].some((key) => message[key] !== undefined)) return;
    target.writer.message(number, () => encodeMessage(message, inner, target));
    return;
  }
  const value = message[name];
  if (value === undefined || value === null) {
    if (!field.pointer) writeEmpty(number, type, target);
    return;
  }
  if ('list' in type && !type.named) {
    for (const element of value as unknown[]) writeValue(number, element, type.list, target);
  } else if ('map' in type) {
    for (const key of Object.keys(value).sort()) writeEntry(number, key, (value as Message)[key], type.map, target);
  } else writeValue(number, value, type, target);
}

function writeEntry(number: number, key: string, value: unknown, type: TypeRef, target: Target): void {
  target.writer.message(number, () => {
    target.writer.text(1, key);
    writeValue(2, value, type, target);
  });
}

/** The zero value of a field that is not a pointer is sent all the same. */
function writeEmpty(number: number, type: TypeRef, target: Target): void {
  const { writer } = target;
  if ('ref' in type) writer.message(number, () => encodeMessage({}, target.facts.type(type.ref)!, target));
  else if ('scalar' in type) {
    if (type.scalar === 'bool') writeScalar(number, false, type.scalar, writer);
    else if (type.scalar === 'int32' || type.scalar === 'int64' || type.scalar === 'double')
      writeScalar(number, 0, type.scalar, writer);
    else if (type.scalar === 'intOrString') writeScalar(number, 0, type.scalar, writer);
    else if (type.scalar === 'quantity') writer.message(number, () => writer.bytes(1, NOTHING));
    else if (type.scalar !== 'bytes') writer.bytes(number, NOTHING);
  }
}

function writeValue(number: number, value: unknown, type: TypeRef, target: Target): void {
  if ('scalar' in type) writeScalar(number, value, type.scalar, target.writer);
  else if ('ref' in type)
    target.writer.message(number, () => encodeMessage(value, target.facts.type(type.ref)!, target));
  else if ('list' in type)
    target.writer.message(number, () => {
      for (const element of value as unknown[]) writeValue(1, element, type.list, target);
    });
}

function writeScalar(number: number, value: unknown, scalar: Scalar, writer: WireWriter): void {
  switch (scalar) {
    case 'int32':
    case 'int64':
      writer.tag(number, VARINT);
      writer.varint(value as number);
      break;
    case 'bool':
      writer.tag(number, VARINT);
      writer.varint(value ? 1 : 0);
      break;
    case 'double':
      writer.tag(number, FIXED64);
      writer.double(value as number);
      break;
    case 'string':
      writer.text(number, value as string);
      break;
    case 'bytes':
      writer.bytes(number, bytesOf(value as string));
      break;
    case 'quantity':
      writer.message(number, () => writer.text(1, String(value)));
      break;
    case 'time':
    case 'microTime':
      writer.message(number, () => writeTime(value as string, scalar, writer));
      break;
    case 'intOrString':
      writer.message(number, () => writeIntOrString(value as number | string, writer));
      break;
    default:
      writer.message(number, () => writer.text(1, JSON.stringify(value)));
      break;
  }
}

function bytesOf(base64: string): Uint8Array {
  const bytes = fromBase64(base64);
  return bytes instanceof Uint8Array ? bytes : NOTHING;
}

function writeTime(value: string, scalar: 'time' | 'microTime', writer: WireWriter): void {
  const instant = parseInstant(value);
  if (!instant || instant.seconds === ZERO_TIME_SECONDS) return;
  writer.tag(1, VARINT);
  writer.varint(instant.seconds);
  writer.tag(2, VARINT);
  writer.varint(scalar === 'time' ? 0 : instant.nanos);
}

function writeIntOrString(value: number | string, writer: WireWriter): void {
  const isText = typeof value === 'string';
  writer.tag(1, VARINT);
  writer.varint(isText ? 1 : 0);
  writer.tag(2, VARINT);
  writer.varint(isText ? 0 : value);
  writer.text(3, isText ? value : '');
}

function unionMessage(union: NonNullable<TypeFacts['union']>, value: unknown): Message {
  if (Array.isArray(value)) return union === 'array' ? { jSONSchemas: value } : { property: value };
  if (typeof value === 'boolean') return { allows: value };
  return { ...(union === 'bool' && { allows: true }), schema: value };
}

const sorted = new WeakMap<TypeFacts, FieldFacts[]>();

function ordered(type: TypeFacts): FieldFacts[] {
  let fields = sorted.get(type);
  if (!fields) {
    fields = type.fields.filter(({ number }) => number > 0).sort((a, b) => a.number - b.number);
    sorted.set(type, fields);
  }
  return fields;
}
