/**
 * Objects in an editor, again and again, until they are taken or given up: for `edit`, `create --edit` and `apply
 * edit-last-applied`. Texts are kubectl's. Source: kubectl, util/editor, edit options.
 */
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { type EditedFile, inEditor, removeEdited, tellOfCopy } from './editor.ts';
import type { FlagSpec, Flags } from './flags.ts';
import { whyInvalid } from './manifest-checks.ts';
import { flattened, type ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { objectPrinter, withoutManagedFields } from './output/output-flags.ts';
import { groupResourceOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { validationOf } from './writing.ts';

export const WINDOWS_FLAG: FlagSpec = {
  name: 'windows-line-endings',
  type: 'bool',
  summary: 'lines end as on Windows',
};

export const EDIT_HEADER = `# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
`;

/** Why a file is opened again. */
export interface Reason {
  head: string;
  details?: readonly string[];
}

export interface Editing {
  header: string;
  /** One is shown as itself, several as a List. */
  objects: readonly ManifestObject[];
  /** In the name of this one a file is refused that cannot be read. */
  first: Target;
  /** Takes what was made of them. */
  take(edited: readonly ManifestObject[]): Promise<Outcome>;
}

export interface Outcome {
  /** Why some of them are to be edited again. */
  reasons?: readonly Reason[];
  /** It has failed: what is said of the file, in which the work is. */
  leftIn?(path: string): string;
}

export async function edit(call: VerbCall, { header, objects, first, take }: Editing): Promise<void> {
  const { flags, io } = call;
  const session = new Session(call, header);
  const start = session.printed(listOf(objects.map((object) => withoutManagedFields(object) as ManifestObject)));
  for (let before: EditedFile | undefined, reasons: readonly Reason[] = []; ; ) {
    const shown = session.headed(before ? withoutComments(before.text) : start, reasons);
    const after = await inEditor(io, shown, session.extension).catch((error: unknown) => {
      tellOfCopy(io, before?.path);
      throw error;
    });
    if (before && isSame(before.text, after.text)) {
      tellOfCopy(io, after.path);
      throw new VerbError('Edit cancelled, no valid changes were saved.');
    }
    if (before) removeEdited(before.path);
    before = after;
    const problem = whyUnreadable(after.text, flags);
    if (problem) {
      io.err(`error: ${namedIn(first)} is invalid\n`);
      reasons = [notValid(first, [`<nil>: Invalid value: "The edited file failed validation": ${problem}`])];
      continue;
    }
    const nothing = isSame(start, after.text)
      ? 'no changes made'
      : hasLines(after.text)
        ? undefined
        : 'saved file was empty';
    if (nothing) {
      removeEdited(after.path);
      return io.err(`Edit cancelled, ${nothing}.\n`);
    }
    const outcome = await session.taken(after, take);
    if (outcome.leftIn) {
      io.err(`${outcome.leftIn(after.path)}\n`);
      throw new VerbError(''); // all is said
    }
    reasons = outcome.reasons ?? [];
    if (reasons.length === 0) return removeEdited(after.path);
  }
}

class Session {
  readonly extension: string;
  readonly #call: VerbCall;
  readonly #header: string;

  constructor(call: VerbCall, header: string) {
    const isJson = call.flags.string('output') === 'json'; // there is no comment in JSON
    this.extension = isJson ? '.json' : '.yaml';
    this.#header = isJson ? '' : header;
    this.#call = call;
  }

  /** Throws VerbError for a form that cannot be read again. */
  printed(object: unknown): string {
    const { flags, io } = this.#call;
    return objectPrinter(flags, io, ['json', 'kyaml', 'yaml'])?.print(object) ?? formatYaml(object);
  }

  headed(text: string, reasons: readonly Reason[]): string {
    const top = this.#header && `${this.#header}${reasons.map(toldOf).join('')}`;
    const whole = `${top}${text}`;
    return this.#call.flags.bool('windows-line-endings') ? whole.replaceAll('\n', '\r\n') : whole;
  }

  async taken({ path, text }: EditedFile, take: Editing['take']): Promise<Outcome> {
    let objects: ManifestObject[];
    try {
      objects = objectsIn(text);
    } catch (error) {
      if (!(error instanceof VerbError)) throw error;
      return { reasons: [{ head: `The edited file had a syntax error: ${error.message}` }] };
    }
    try {
      return await take(objects);
    } catch (error) {
      tellOfCopy(this.#call.io, path);
      throw error;
    }
  }
}

const listOf = (objects: readonly ManifestObject[]): unknown =>
  objects.length === 1 ? objects[0] : { apiVersion: 'v1', items: objects, kind: 'List', metadata: {} };

/** `configmaps "web"` */
export const namedIn = ({ resource, name }: Target): string => `${groupResourceOf(resource)} ${JSON.stringify(name)}`;

export const notValid = (target: Target, details: readonly string[]): Reason => ({
  head: `${namedIn(target)} was not valid`,
  details,
});

function toldOf({ head, details = [] }: Reason): string {
  const lines = details.map((detail) => `# * ${commented(detail)}\n`).join('');
  return `# ${commented(head)}${details.length > 0 ? ':' : ''}\n${lines}#\n`;
}

const commented = (text: string): string => text.replaceAll(/\n(?=[^#])/g, '\n# ');

const withoutComments = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^\s*#(?!!)/.test(line))
    .join('\n');

const hasLines = (text: string): boolean => text.split('\n').some((line) => /^\s*[^\s#]/.test(line));

/** They mean the same; where one of them means nothing, they are the same text. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [a, b].map((text) => parseYaml(text, { isTrusted: true })) as [Parsed, Parsed];
  if ('value' in one && 'value' in other) return compactJson(one.value) === compactJson(other.value);
  return withoutComments(a) === withoutComments(b);
}

type Parsed = ReturnType<typeof parseYaml>;

function whyUnreadable(text: string, flags: Flags): string | undefined {
  const validation = validationOf(flags);
  if (validation === 'Ignore') return undefined;
  const parsed = parseYaml(withoutComments(text), { isTrusted: true });
  if ('problem' in parsed) return parsed.problem.replace(/^error converting YAML to JSON: /, '');
  return whyInvalid(parsed.value, validation);
}

/** Throws VerbError for what is no object. */
function objectsIn(text: string): ManifestObject[] {
  const parsed = parseYaml(text, { isTrusted: true });
  if ('problem' in parsed) throw new VerbError(`error parsing edited-file: ${parsed.problem}`);
  return flattened(parsed.value, 'edited-file');
}
