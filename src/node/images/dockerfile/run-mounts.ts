/** `RUN --mount=…`: folders that a command has and its layer has not. Source: "Dockerfile reference", "RUN --mount". */
import { posix } from 'node:path';
import { quantityValue, isQuantity } from '#api/machinery/quantity.ts';

interface Owned {
  uid: number;
  gid: number;
  mode: number;
}

export type RunMount =
  /** Kept for the next build; with `isAlone` one command at a time has it. */
  | ({ type: 'cache'; id: string; target: string; isReadOnly: boolean; isAlone: boolean } & Owned)
  | ({ type: 'secret'; id: string; target: string } & Owned)
  | { type: 'tmpfs'; target: string; sizeBytes: number | undefined };

const KEYS: Record<string, readonly string[]> = {
  cache: ['id', 'target', 'readonly', 'sharing', 'uid', 'gid', 'mode'],
  secret: ['id', 'target', 'required', 'uid', 'gid', 'mode'],
  tmpfs: ['target', 'size'],
};
const OTHER_NAMES: Record<string, string> = { dst: 'target', destination: 'target', ro: 'readonly' };

/** `has` tells whether there is a secret. undefined: one that is not there, and need not be. Throws SyntaxError. */
export function runMount(
  said: string,
  { workingDir, has }: { workingDir: string; has: (secret: string) => boolean },
): RunMount | undefined {
  const fields = fieldsOf(said);
  const type = fields.get('type') ?? 'bind';
  fields.delete('type');
  const allowed = Object.hasOwn(KEYS, type) ? KEYS[type] : undefined;
  if (!allowed) throw new SyntaxError(`RUN --mount=type=${type} is not supported: only cache, secret and tmpfs`);
  const odd = [...fields.keys()].find((key) => !allowed.includes(key));
  if (odd) throw new SyntaxError(`RUN --mount=type=${type}: ${odd} is not supported`);
  if (type === 'secret') return secret(fields, { workingDir, has });
  const target = targetOf(fields.get('target'), workingDir);
  if (target === undefined) throw new SyntaxError(`RUN --mount=type=${type} requires a target`);
  if (type === 'tmpfs') return { type, target, sizeBytes: sizeOf(fields.get('size')) };
  const sharing = fields.get('sharing') ?? 'shared';
  if (!['shared', 'private', 'locked'].includes(sharing))
    throw new SyntaxError(`unsupported sharing value "${sharing}"`);
  const isReadOnly = isTrue(fields.get('readonly'));
  const id = fields.get('id') ?? target;
  return { type: 'cache', id, target, isReadOnly, isAlone: sharing !== 'shared', ...ownerOf(fields, '0755') };
}

function secret(
  fields: ReadonlyMap<string, string>,
  { workingDir, has }: { workingDir: string; has: (secret: string) => boolean },
): RunMount | undefined {
  const said = fields.get('target');
  const id = fields.get('id') ?? posix.basename(said ?? '');
  if (!id) throw new SyntaxError('RUN --mount=type=secret requires an id or a target');
  if (!has(id)) {
    if (isTrue(fields.get('required')))
      throw new SyntaxError(`secret ${id} is missing: give it with --secret id=${id},src=FILE`);
    return undefined;
  }
  const target = targetOf(said, workingDir) ?? `/run/secrets/${id}`;
  return { type: 'secret', id, target, ...ownerOf(fields, '0400') };
}

function fieldsOf(said: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of said.split(',')) {
    const at = part.indexOf('=');
    const [key, value] = at === -1 ? [part, 'true'] : [part.slice(0, at), part.slice(at + 1)];
    const name = key.toLowerCase();
    fields.set(OTHER_NAMES[name] ?? name, value);
  }
  return fields;
}

function targetOf(said: string | undefined, workingDir: string): string | undefined {
  if (!said) return undefined;
  const target = posix.resolve('/', workingDir, said);
  if (target === '/' || /[,:"\n]/.test(target)) throw new SyntaxError(`"${said}" cannot be mounted on`);
  return target;
}

function sizeOf(said: string | undefined): number | undefined {
  if (said === undefined) return undefined;
  const text = said.replace(/^(\d+)([kmg])b?$/i, (_, amount, unit) => `${amount}${unit.toUpperCase()}i`);
  if (!isQuantity(text)) throw new SyntaxError(`"${said}" is not a size`);
  return quantityValue(text);
}

function ownerOf(fields: ReadonlyMap<string, string>, mode: string): Owned {
  const said = fields.get('mode') ?? mode;
  if (!/^0?[0-7]{3,4}$/.test(said)) throw new SyntaxError(`mode=${said} is not an octal mode`);
  return { uid: numberIn(fields, 'uid'), gid: numberIn(fields, 'gid'), mode: Number.parseInt(said, 8) };
}

function numberIn(fields: ReadonlyMap<string, string>, name: string): number {
  const said = fields.get(name) ?? '0';
  if (!/^\d{1,9}$/.test(said)) throw new SyntaxError(`${name}=${said} is not a number`);
  return Number(said);
}

const isTrue = (said: string | undefined): boolean => said === 'true' || said === '1' || said === '';
