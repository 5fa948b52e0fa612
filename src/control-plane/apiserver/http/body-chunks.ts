/**
 * The bytes of an answer. Objects and lists from the watch cache are put together from bytes that exist already;
 * everything else is encoded here. Lists come in chunks, so that a large one is never whole in memory.
 */
import { stringify } from 'yaml';
import { facts } from '#api/generated/facts.ts';
import { encodeProtobuf, PROTOBUF_MEDIA_TYPE } from '#api/machinery/codec-protobuf.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ListMeta } from '#api/machinery/object.ts';
import { cellsOf, columnsOf, type IncludeObject } from '#api/machinery/table.ts';
import { formOf } from '../registry/caches.ts';
import { JSON_MEDIA_TYPE, YAML_MEDIA_TYPE } from '../request-body.ts';
import type { CachedObject, ListPage, ServedForm } from '../watch-cache/watch-cache.ts';
import type { Encoding, Wanted } from './negotiation.ts';

const CHUNK_BYTES = 256 * 1024;
const COMMA = Buffer.from(',');

export const contentTypeOf = (encoding: Encoding): string =>
  encoding === 'json' ? JSON_MEDIA_TYPE : encoding === 'yaml' ? YAML_MEDIA_TYPE : PROTOBUF_MEDIA_TYPE;

/** `value` in full. Something that has no protobuf form is sent as JSON, which every client reads. */
export function encoded(value: object, { encoding, pretty }: Pick<Wanted, 'encoding' | 'pretty'>) {
  if (encoding === 'yaml')
    return { type: YAML_MEDIA_TYPE, body: Buffer.from(stringify(kindFirst(value), { aliasDuplicateObjects: false })) };
  if (encoding === 'protobuf') {
    const bytes = encodeProtobuf(facts, value as { apiVersion?: string; kind: string });
    if (bytes) return { type: PROTOBUF_MEDIA_TYPE, body: bytes };
  }
  const text = pretty ? JSON.stringify(kindFirst(value), undefined, 2) : JSON.stringify(value);
  return { type: JSON_MEDIA_TYPE, body: Buffer.from(text) };
}

/** As people expect to read it, whatever order the object was made in. */
function kindFirst(value: object): object {
  if (!('kind' in value) || !('apiVersion' in value)) return value;
  const { kind, apiVersion, ...rest } = value;
  return { kind, apiVersion, ...rest };
}

export const listMetaOf = ({ revision, continue: token, remainingItemCount }: ListPage): ListMeta => ({
  resourceVersion: String(revision),
  ...(token && { continue: token }),
  ...(remainingItemCount !== undefined && { remainingItemCount }),
});

/** `{"kind":"PodList",…,"items":[…]}` as JSON, from cached bytes. */
export function* listChunks(kind: Kind, page: ListPage): Generator<Buffer> {
  const head = { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata: listMetaOf(page) };
  const start = Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`);
  const form = formOf(kind);
  yield* gathered(start, page.items, (item) => ({
    length: item.jsonLength(form),
    copy: (target, offset) => item.copyJson(target, offset, form),
  }));
}

interface Piece {
  length: number;
  /** Returns the offset behind what it wrote. */
  copy(target: Buffer, offset: number): number;
}

function* gathered<T>(start: Buffer, items: readonly T[], pieceOf: (item: T) => Piece): Generator<Buffer> {
  let pieces: Piece[] = [bytesPiece(start)];
  let length = start.length;
  for (const [index, item] of items.entries()) {
    if (length >= CHUNK_BYTES) {
      yield joined(pieces, length);
      [pieces, length] = [[], 0];
    }
    if (index > 0) {
      pieces.push(bytesPiece(COMMA));
      length += COMMA.length;
    }
    const piece = pieceOf(item);
    pieces.push(piece);
    length += piece.length;
  }
  pieces.push(bytesPiece(END));
  yield joined(pieces, length + END.length);
}

const END = Buffer.from(']}');

const bytesPiece = (bytes: Buffer): Piece => ({
  length: bytes.length,
  copy: (target, offset) => offset + bytes.copy(target, offset),
});

function joined(pieces: readonly Piece[], length: number): Buffer {
  const chunk = Buffer.allocUnsafe(length);
  let offset = 0;
  for (const piece of pieces) offset = piece.copy(chunk, offset);
  return chunk;
}

export interface TableOptions {
  nowMs: number;
  include: IncludeObject;
  version: string;
}

/** A Table of cached objects. What does not depend on the time is kept with each object. */
export function* tableChunks(kind: Kind, page: ListPage, options: TableOptions): Generator<Buffer> {
  const start = Buffer.from(tableHead(kind, listMetaOf(page), { ...options, columns: true }));
  yield* gathered(start, page.items, (item) => bytesPiece(Buffer.from(rowText(kind, item, options))));
}

/** Up to and with `"rows":[`. */
export function tableHead(
  kind: Kind,
  metadata: ListMeta,
  { version, columns }: { version: string; columns: boolean },
): string {
  const head = {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    ...(columns && { columnDefinitions: columnsOf(kind) }),
  };
  return `${JSON.stringify(head).slice(0, -1)},"rows":[`;
}

export function rowText(kind: Kind, item: CachedObject, { nowMs, include, version }: TableOptions): string {
  const form = formOf(kind);
  const cells = kind.columns.some(({ timeDependent }) => timeDependent)
    ? cellsText(kind, item.object(form), nowMs)
    : item.memo(form, 'cells', () => cellsText(kind, item.object(form), nowMs));
  return `{"cells":${cells},"object":${rowObject(item, form, { include, version })}}`;
}

const cellsText = (kind: Kind, object: KubeObject, nowMs: number): string =>
  JSON.stringify(cellsOf(kind, object, nowMs));

function rowObject(item: CachedObject, form: ServedForm, { include, version }: Omit<TableOptions, 'nowMs'>): string {
  if (include === 'None') return 'null';
  if (include === 'Object') return Buffer.from(item.json(form)).toString();
  return metadataText(item, form, version);
}

/** The object as PartialObjectMetadata. */
export const metadataText = (item: CachedObject, form: ServedForm, version: string): string =>
  item.memo(form, `metadata/${version}`, () => JSON.stringify(partialMetadata(item.object(form), version)));

export const partialMetadata = ({ metadata }: KubeObject, version: string): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata,
});

export function* metadataListChunks(kind: Kind, page: ListPage, version: string): Generator<Buffer> {
  const head = { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${version}`, metadata: listMetaOf(page) };
  const start = Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`);
  const form = formOf(kind);
  yield* gathered(start, page.items, (item) => bytesPiece(Buffer.from(metadataText(item, form, version))));
}

/** The whole list as objects, for encodings that are not put together from bytes. */
export const listObject = (kind: Kind, page: ListPage): object => ({
  kind: kind.listKind,
  apiVersion: apiVersionOf(kind),
  metadata: listMetaOf(page),
  items: page.items.map((item) => item.object(formOf(kind))),
});
