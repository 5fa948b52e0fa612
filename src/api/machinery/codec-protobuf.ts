/**
 * `application/vnd.kubernetes.protobuf`: `k8s\0` and then runtime.Unknown, whose `raw` is the kind's own message. Every typed
 * client since client-go 0.32 sends bodies so, without a fallback. Source: apimachinery v1.36, serializer/protobuf.
 */
import type { Facts } from './facts.ts';
import { decodeMessage, isEnvelope } from './protobuf-decode.ts';
import { encodeMessage } from './protobuf-encode.ts';
import { BYTES, MalformedMessage, WireReader, WireWriter } from './protobuf-wire.ts';

export const PROTOBUF_MEDIA_TYPE = 'application/vnd.kubernetes.protobuf';

const PREFIX = new Uint8Array([0x6b, 0x38, 0x73, 0]);
const text = new TextEncoder();

export interface TypeMeta {
  apiVersion: string;
  kind: string;
}

/** `problem` is upstream's text; `typeMeta` is what the envelope said, where it could be read. */
export type Decoded =
  | { typeMeta: TypeMeta; object: Record<string, unknown> }
  | { typeMeta?: TypeMeta; problem: string };

/**
 * Reads an enveloped object. `fallback` stands in for what the envelope does not say. The object is new, not frozen, carries
 * apiVersion and kind, and still has the zero values of the wire: the normalise pass comes next.
 */
export function decodeProtobuf(facts: Facts, bytes: Uint8Array, fallback?: TypeMeta): Decoded {
  if (bytes.length === 0) return { problem: 'empty data' };
  if (!isEnvelope(bytes))
    return { problem: 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]' };
  if (bytes.length === PREFIX.length) return { problem: 'empty body' };
  const seen: { typeMeta?: TypeMeta } = {};
  try {
    return decodeEnvelope(facts, bytes, { fallback, depth: 0, seen });
  } catch (error) {
    if (error instanceof MalformedMessage) return { ...seen, problem: error.message };
    throw error;
  }
}

interface EnvelopeOptions {
  fallback?: TypeMeta;
  depth: number;
  /** Told the type as soon as it is known, for the error that a broken body gives. */
  seen: { typeMeta?: TypeMeta };
}

function decodeEnvelope(facts: Facts, bytes: Uint8Array, { fallback, depth, seen }: EnvelopeOptions): Decoded {
  const { raw, ...found } = readUnknown(new WireReader(bytes, PREFIX.length));
  const typeMeta = {
    apiVersion: found.apiVersion || fallback?.apiVersion || '',
    kind: found.kind || fallback?.kind || '',
  };
  seen.typeMeta = typeMeta;
  if (!typeMeta.kind) return { problem: `Object 'Kind' is missing in '${goTypeMeta(found)}'` };
  if (!typeMeta.apiVersion) return { problem: `Object 'apiVersion' is missing in '${goTypeMeta(found)}'` };

  const [version = '', group = ''] = typeMeta.apiVersion.split('/').reverse();
  const type = facts.typeOfKind(group, version, typeMeta.kind);
  if (!type)
    return { typeMeta, problem: `no kind "${typeMeta.kind}" is registered for version "${typeMeta.apiVersion}"` };
  const nested = (inner: Uint8Array, innerDepth: number): unknown => {
    const decoded = decodeEnvelope(facts, inner, { depth: innerDepth, seen: {} });
    if ('problem' in decoded) throw new MalformedMessage(decoded.problem);
    return decoded.object;
  };
  const message = decodeMessage(raw, type, { facts, depth, nested }) as Record<string, unknown>;
  return { typeMeta, object: type.jsonFields.has('kind') ? { ...typeMeta, ...message } : message };
}

const goTypeMeta = ({ apiVersion, kind }: TypeMeta): string =>
  `runtime.TypeMeta{APIVersion:${JSON.stringify(apiVersion)}, Kind:${JSON.stringify(kind)}}`;

function readUnknown(reader: WireReader): TypeMeta & { raw: WireReader } {
  const unknown = { apiVersion: '', kind: '', raw: new WireReader(reader.bytes, reader.end, reader.end) };
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === tagOf(1)) Object.assign(unknown, readTypeMeta(reader.part()));
    else if (tag === tagOf(2)) unknown.raw = reader.part();
    else reader.skip(tag & 7);
  }
  return unknown;
}

const tagOf = (number: number): number => (number << 3) | BYTES;

function readTypeMeta(reader: WireReader): TypeMeta {
  const decoder = new TextDecoder();
  const typeMeta = { apiVersion: '', kind: '' };
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === tagOf(1)) typeMeta.apiVersion = decoder.decode(reader.part().rest());
    else if (tag === tagOf(2)) typeMeta.kind = decoder.decode(reader.part().rest());
    else reader.skip(tag & 7);
  }
  return typeMeta;
}

/**
 * The enveloped object; undefined when its kind has no protobuf form (custom kinds, Table). One without apiVersion (what `/api`
 * and `/api/v1` answer) is of v1, and the envelope does not tell either.
 */
export function encodeProtobuf(facts: Facts, object: { apiVersion?: string; kind: string }): Uint8Array | undefined {
  const { apiVersion = '', kind } = object;
  const [version = '', group = ''] = (apiVersion || 'v1').split('/').reverse();
  const type = facts.typeOfKind(group, version, kind);
  if (!type?.fields.some(({ number }) => number > 0)) return undefined;
  const writer = new WireWriter();
  writer.raw(PREFIX);
  writer.message(1, () => {
    writer.bytes(1, text.encode(apiVersion));
    writer.bytes(2, text.encode(kind));
  });
  writer.message(2, () => encodeMessage(object, type, { writer, facts }));
  writer.bytes(3, new Uint8Array(0));
  writer.bytes(4, new Uint8Array(0));
  return writer.finish();
}

/** One frame of a protobuf watch: length (4 bytes, big endian), then a bare WatchEvent around an enveloped object. */
export function encodeWatchFrame(type: string, object: Uint8Array): Uint8Array {
  const writer = new WireWriter();
  writer.raw(new Uint8Array(4));
  writer.bytes(1, text.encode(type));
  writer.message(2, () => writer.bytes(1, object));
  const frame = writer.finish();
  new DataView(frame.buffer).setUint32(0, frame.length - 4);
  return frame;
}
