/**
 * Protobuf messages from short tables: `name type number`, separated by commas; `*` marks a list, `map` a map of strings,
 * `map/Device` one of messages, a capital letter another message. For gRPC without files that somebody has to generate or
 * parse.
 */
import type protobuf from 'protobufjs/light.js';

/** 64-bit integers as strings, enums by name, absent messages null. */
export type Reply = Record<string, unknown>;

export interface Codec {
  serialize(message: object): Buffer;
  deserialize(bytes: Buffer): Reply;
}

const REPLY_FORM = { longs: String, enums: String, defaults: true };

export const codecOf = (type: protobuf.Type): Codec => ({
  // In Node.js the writer's bytes are a Buffer.
  serialize: (message) => type.encode(type.fromObject(message)).finish() as Buffer,
  deserialize: (bytes) => type.toObject(type.decode(bytes), REPLY_FORM),
});

/** As gRPC wants a call described. A stream of answers says so itself: `{ ...unaryMethod(codecs), responseStream: true }`. */
export const unaryMethod = ({ path, request, response }: { path: string; request: Codec; response: Codec }) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: request.serialize,
  requestDeserialize: request.deserialize,
  responseSerialize: response.serialize,
  responseDeserialize: response.deserialize,
});

/** Values are numbered as they stand. */
export function enumsJson(enums: Readonly<Record<string, readonly string[]>>): Record<string, protobuf.IEnum> {
  return Object.fromEntries(
    Object.entries(enums).map(([name, values]) => [
      name,
      { values: Object.fromEntries(values.map((value, number) => [value, number])) },
    ]),
  );
}

type Field = protobuf.IField | protobuf.IMapField;

export function messagesJson(
  messages: Readonly<Record<string, string>>,
): Record<string, { fields: Record<string, Field> }> {
  return Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [
      name,
      { fields: Object.fromEntries(fields.split(', ').filter(Boolean).map(fieldJson)) },
    ]),
  );
}

function fieldJson(text: string): [string, Field] {
  const [name = '', type = '', number = ''] = text.split(' ');
  const id = Number(number);
  const [form, value = 'string'] = type.split('/');
  if (form === 'map') return [name, { keyType: 'string', type: value, id }];
  return [name, type.endsWith('*') ? { rule: 'repeated', type: type.slice(0, -1), id } : { type, id }];
}
