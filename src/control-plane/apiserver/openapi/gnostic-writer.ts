/** How gnostic's protobuf messages are written from the JSON that they stand for. Source: google/gnostic-models. */
import { FIXED64, VARINT, type WireWriter } from '#api/machinery/protobuf-wire.ts';

export type Node = Record<string, unknown>;

/** How the value of a JSON key is written under a field number. */
export type Write = (writer: WireWriter, number: number, value: unknown) => void;
export type Message = Readonly<Record<string, readonly [number: number, write: Write]>>;

const utf8 = new TextEncoder();

export const text: Write = (writer, number, value) => writer.bytes(number, utf8.encode(String(value)));
export const flag: Write = (writer, number, value) => {
  if (value !== true) return;
  writer.tag(number, VARINT);
  writer.varint(1);
};
export const message =
  (fields: () => Message, extensions?: number): Write =>
  (writer, number, value) =>
    writer.message(number, () => writeFields(writer, fields(), { value: value as Node, extensions }));
export const each =
  (write: Write): Write =>
  (writer, number, value) => {
    for (const element of value as unknown[]) write(writer, number, element);
  };
export const whole: Write = (writer, number, value) => {
  if (typeof value !== 'number') return;
  writer.tag(number, VARINT);
  writer.varint(value);
};
export const double: Write = (writer, number, value) => {
  if (typeof value !== 'number') return;
  writer.tag(number, FIXED64);
  writer.double(value);
};
/** An object whose keys are data: repeated name and value. */
export const named =
  (entry: Write, entryNumber = 1): Write =>
  (writer, number, value) =>
    writer.message(number, () => {
      for (const [name, element] of Object.entries(value as Node))
        writer.message(entryNumber, () => {
          text(writer, 1, name);
          entry(writer, 2, element);
        });
    });
/** A message around the value, with nothing else in it: how gnostic says "one of". */
export const wrapped =
  (innerNumber: number, write: Write): Write =>
  (writer, number, value) =>
    writer.message(number, () => write(writer, innerNumber, value));
/** Any value, as YAML; JSON is YAML. */
export const any: Write = (writer, number, value) =>
  writer.message(number, () => text(writer, 2, JSON.stringify(value)));
export const stringList: Write = (writer, number, value) =>
  writer.message(number, () => {
    for (const element of Array.isArray(value) ? value : [value]) text(writer, 1, element);
  });

export function writeFields(
  writer: WireWriter,
  fields: Message,
  { value, extensions }: { value: Node; extensions?: number | undefined },
): void {
  for (const [key, element] of Object.entries(value)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field) field[1](writer, field[0], element);
    else if (extensions !== undefined && key.startsWith('x-'))
      writer.message(extensions, () => {
        text(writer, 1, key);
        any(writer, 2, element);
      });
  }
}
