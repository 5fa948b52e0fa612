/**
 * The stored form of an object: its JSON without a resourceVersion, laid out so that the place of the resourceVersion is found
 * without parsing. It belongs right behind the `{` of the metadata, and kind, apiVersion and metadata always come first.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { findingOnce, isShared } from '#api/machinery/shared-parts.ts';
import { DeferredValue } from '#control-plane/storage/deferred-value.ts';
import type { Revision } from '#control-plane/storage/storage.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const METADATA = Buffer.from('"metadata":{');
const CLOSING_BRACE = 0x7d;

/** `/registry/pods/`: where all objects of a kind are. */
export const storagePrefixOf = ({ storagePrefix }: Pick<Kind, 'storagePrefix'>): string =>
  `/registry/${storagePrefix}/`;

/** `/registry/pods/<namespace>/<name>`; for a cluster-scoped kind without the namespace. */
export function storageKey(
  kind: Pick<Kind, 'storagePrefix' | 'scope'>,
  at: { namespace?: string; name: string },
): string {
  const namespace = kind.scope === 'Namespaced' ? `${at.namespace ?? ''}/` : '';
  return `${storagePrefixOf(kind)}${namespace}${at.name}`;
}

// The embedded stores hand back the very bytes that they were given.
const parsed = new WeakMap<Uint8Array, KubeObject>();

const jsonOfShared = findingOnce((part: object) => JSON.stringify(part));

/** The specification of new pods of one template is the very same. undefined: the part is left out. */
const jsonOf = (part: unknown): string | undefined => (isShared(part) ? jsonOfShared(part) : JSON.stringify(part));

/**
 * The bytes to store. A resourceVersion in `object` is left out. A frozen object is remembered with its bytes, so that reading
 * them back in this process costs no parse (`takeEncoded`).
 */
export function encode(object: KubeObject): Uint8Array {
  const { kind, apiVersion, metadata } = object;
  // Not one JSON.stringify of the whole: keys that look like numbers would move to the front, before the metadata.
  let text = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)}`;
  text += `,"metadata":${JSON.stringify(withoutRevision(metadata))}`;
  for (const field in object) {
    if (field === 'kind' || field === 'apiVersion' || field === 'metadata') continue;
    const value = jsonOf((object as KubeObject & Record<string, unknown>)[field]);
    if (value !== undefined) text += `,${JSON.stringify(field)}:${value}`;
  }
  const bytes = unpooled(`${text}}`);
  if (Object.isFrozen(object)) parsed.set(bytes, object);
  return bytes;
}

/**
 * Of a frozen object, whose resourceVersion does not count; undefined when it may take more bytes than `limit`. `known`: what it
 * was made from, whose parts need not be measured again.
 */
export function deferredValue(object: KubeObject, limit: number, known?: DeferredValue): DeferredValue | undefined {
  const size = known ? known.size + growthOf(object, known.object) : sizeOf(object);
  return size * MAX_BYTES_OF_CHAR > limit ? undefined : new DeferredValue(object, { size, encode: encodeObject });
}

const encodeObject = encode as (object: object) => Uint8Array;

const MAX_BYTES_OF_CHAR = 6; // \u001f
const MAX_NUMBER = 24;
const PUNCTUATION = 4; // the quotes, a colon and a comma

/** How long its JSON is, as if all characters were plain ones and all numbers long. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length + PUNCTUATION;
  if (typeof value !== 'object' || value === null) return MAX_NUMBER;
  let size = PUNCTUATION;
  if (Array.isArray(value)) for (let at = 0; at < value.length; at++) size += sizeOf(value[at]);
  else for (const name in value) size += sizeOfField(name, (value as Record<string, unknown>)[name]);
  return size;
}

const sizeOfField = (name: string, value: unknown): number => name.length + PUNCTUATION + sizeOf(value);

/** How much `sizeOf` of the one is above that of the other; parts that both have are passed over. */
function growthOf(value: unknown, known: unknown): number {
  if (value === known) return 0;
  if (typeof value !== 'object' || typeof known !== 'object' || !value || !known) return sizeOf(value) - sizeOf(known);
  if (!Array.isArray(value) && !Array.isArray(known)) return growthOfFields(value as Fields, known as Fields);
  if (!Array.isArray(value) || !Array.isArray(known) || value.length !== known.length)
    return sizeOf(value) - sizeOf(known);
  let growth = 0;
  for (let at = 0; at < value.length; at++) growth += growthOf(value[at], known[at]);
  return growth;
}

function growthOfFields(value: Fields, known: Fields): number {
  let growth = 0;
  for (const name in value)
    growth += Object.hasOwn(known, name) ? growthOf(value[name], known[name]) : sizeOfField(name, value[name]);
  for (const name in known) if (!Object.hasOwn(value, name)) growth -= sizeOfField(name, known[name]);
  return growth;
}

type Fields = Readonly<Record<string, unknown>>;

function withoutRevision(metadata: KubeObject['metadata']): object {
  if (!('resourceVersion' in metadata)) return metadata;
  const { resourceVersion: _, ...stored } = metadata;
  return stored;
}

/** The object of stored bytes, without a resourceVersion. Not frozen. */
export const decode = (bytes: Uint8Array): KubeObject => JSON.parse(decoder.decode(bytes)) as KubeObject;

/** The object that was encoded to these very bytes, frozen and maybe with an older resourceVersion, if this is the first to ask: whoever takes it keeps it or not. */
export function takeEncoded(bytes: Uint8Array): KubeObject | undefined {
  const object = parsed.get(bytes);
  if (object) parsed.delete(bytes);
  return object;
}

/** Where the resourceVersion goes; -1 when these bytes are not laid out as `encode` does it. */
export function slotOf(bytes: Uint8Array): number {
  const buffer = asBuffer(bytes);
  // Neither a string nor a key before it can hold this text: a quote within a string is escaped.
  const at = buffer.indexOf(METADATA);
  return at < 0 ? -1 : at + METADATA.length;
}

/** What stands in the slot: `"resourceVersion":"7",`. ASCII. */
export const slotText = (bytes: Uint8Array, slot: number, revision: Revision): string =>
  `"resourceVersion":"${revision}"${bytes[slot] === CLOSING_BRACE ? '' : ','}`;

/** The JSON that is sent: stored bytes with the revision in its slot, in a buffer of its own or in `memory`. */
export function splice(
  bytes: Uint8Array,
  revision: Revision,
  {
    slot = slotOf(bytes),
    memory = Buffer.allocUnsafeSlow,
  }: { slot?: number; memory?: (length: number) => Buffer } = {},
): Uint8Array {
  if (slot < 0) return encoder.encode(JSON.stringify(withRevision(decode(bytes), revision)));
  const text = slotText(bytes, slot, revision);
  const whole = memory(bytes.length + text.length);
  // Everything is put behind the room for the text, and its head moved in front: no views of a part have to be made.
  whole.set(bytes, text.length);
  whole.copyWithin(0, text.length, text.length + slot);
  whole.write(text, slot, 'latin1');
  return whole;
}

/** Writes the spliced JSON at `offset`; returns the offset behind it. */
export function copySpliced(
  bytes: Uint8Array,
  { slot, text }: { slot: number; text: string },
  { target, offset }: { target: Uint8Array; offset: number },
): number {
  const from = asBuffer(bytes);
  const to = asBuffer(target);
  const afterHead = offset + from.copy(to, offset, 0, slot);
  const afterSlot = afterHead + to.write(text, afterHead, 'latin1');
  return afterSlot + from.copy(to, afterSlot, slot);
}

/** The same object under this resourceVersion. Not frozen at its top and in its metadata. */
export const withRevision = (object: KubeObject, revision: Revision): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(revision) },
});

/** The same of a frozen object, frozen: only what is new of it has to be. */
export function frozenWithRevision(object: KubeObject, revision: Revision): KubeObject {
  const whole = withRevision(object, revision);
  Object.freeze(whole.metadata);
  return Object.freeze(whole);
}

/** In memory of its own, because a slice of Node's pool would keep the whole pool alive. */
function unpooled(text: string): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
