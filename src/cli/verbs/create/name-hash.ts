/** `--append-hash`: what a ConfigMap or a Secret holds, as the end of its name. Source: kubectl, util/hash. */
import { createHash } from 'node:crypto';
import type { FlagSpec, Flags } from '../flags.ts';
import type { ManifestObject } from '../manifests.ts';
import { compactJson } from '../output/json.ts';

export const APPEND_HASH_FLAG: FlagSpec = {
  name: 'append-hash',
  type: 'bool',
  summary: 'end the name with a hash of the content',
};

/** The object, with the hash behind its name where that is asked for. */
export function namedByContent(flags: Flags, object: ManifestObject): ManifestObject {
  if (!flags.bool('append-hash')) return object;
  const { name = '' } = object.metadata;
  return { ...object, metadata: { ...object.metadata, name: `${name}-${hashOf(object)}` } };
}

/** Hexadecimal digits that could make words stand for others. */
const HARMLESS: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };
const DIGITS = 10;

function hashOf({ kind, metadata, data = {}, binaryData, type = '' }: ManifestObject): string {
  const told = { kind, name: metadata.name, data, ...(binaryData !== undefined && { binaryData }) };
  const text = compactJson(kind === 'Secret' ? { ...told, type } : told);
  const hex = createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
  return hex.replace(/[013ae]/g, (digit) => HARMLESS[digit]!);
}
