/** A Dockerfile as a list of instructions. Source: "Dockerfile reference", of which Kedge reads a subset. */
import { type HereDocument, hereDocument, openingsIn } from './here-documents.ts';
import { DockerfileProblem, type Place } from './problem.ts';

export interface Instruction extends Place {
  /** In capitals. */
  name: string;
  /** `--from=build` → from: 'build'; of one that is given again the last. */
  flags: ReadonlyMap<string, string>;
  /** Every `--mount`, in order. */
  mounts: readonly string[];
  /** The rest of it, continuation lines joined. */
  text: string;
  /** Of the JSON form, `["a", "b"]`; undefined: it has another form. */
  list: string[] | undefined;
  documents: readonly HereDocument[];
  /** What takes its meaning from the next character. */
  escapeSign: string;
}

const KNOWN = new Set(
  'FROM COPY ADD RUN ENV WORKDIR USER ENTRYPOINT CMD EXPOSE LABEL VOLUME ARG SHELL HEALTHCHECK STOPSIGNAL MAINTAINER ONBUILD'.split(
    ' ',
  ),
);
const TAKES_LIST = new Set(['COPY', 'ADD', 'RUN', 'ENTRYPOINT', 'CMD', 'VOLUME', 'SHELL']);
const TAKES_DOCUMENTS = /^\s*(?:RUN|COPY|ADD)\s/i;
const MOST_BYTES = 1 << 20;

/** Throws DockerfileProblem. */
export function parseDockerfile(file: string, text: string): Instruction[] {
  if (text.length > MOST_BYTES) throw new DockerfileProblem({ file, line: 1 }, `longer than ${MOST_BYTES} characters`);
  const escapeSign = escapeOf(file, text);
  const instructions = logicalLines(file, text, escapeSign).map(({ line, text: whole, documents }) =>
    instructionOf({ file, line }, whole, { escapeSign, documents }),
  );
  if (!instructions.some(({ name }) => name === 'FROM')) {
    throw new DockerfileProblem({ file, line: 1 }, 'no FROM: write `FROM scratch`, or the image to begin with');
  }
  return instructions;
}

/** What an image has for whoever builds on it. */
export function parseTrigger(place: Place, text: string, escapeSign = '\\'): Instruction {
  const instruction = instructionOf(place, text, { escapeSign, documents: [] });
  const { name } = instruction;
  if (name === 'ONBUILD') throw new DockerfileProblem(place, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (name === 'FROM' || name === 'MAINTAINER')
    throw new DockerfileProblem(place, `${name} isn't allowed as an ONBUILD trigger`);
  return instruction;
}

/** Directives stand first. `# syntax=` names a frontend, which is not asked. */
function escapeOf(file: string, text: string): string {
  let escapeSign = '\\';
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, name, value = ''] = /^#\s*([a-z]+)\s*=\s*(.*?)\s*$/i.exec(line) ?? [];
    if (name === undefined) return escapeSign;
    if (name.toLowerCase() !== 'escape') continue;
    if (value !== '\\' && value !== '`')
      throw new DockerfileProblem({ file, line: index + 1 }, `invalid escape token '${value}' does not match \` or \\`);
    escapeSign = value;
  }
  return escapeSign;
}

interface LogicalLine {
  line: number;
  text: string;
  documents: HereDocument[];
}

/** Comments and empty lines are left out, also between the lines of one instruction. */
function logicalLines(file: string, text: string, escapeSign: string): LogicalLine[] {
  const found: LogicalLine[] = [];
  const lines = text.split(/\r?\n/);
  // The escape character at the end, itself not escaped.
  const continued = escapeSign === '`' ? /(^|[^`])`[ \t]*$/ : /(^|[^\\])\\[ \t]*$/;
  let open: LogicalLine | undefined;
  for (let index = 0; index < lines.length; index++) {
    const raw = lines[index] as string;
    if (/^\s*(#.*)?$/.test(raw)) continue;
    open ??= { line: index + 1, text: '', documents: [] };
    if (continued.test(raw)) {
      open.text += raw.replace(continued, '$1');
      continue;
    }
    open.text += raw;
    for (const opening of TAKES_DOCUMENTS.test(open.text) ? openingsIn(open.text) : []) {
      const document = hereDocument(opening, lines.slice(index + 1));
      if (!document) throw new DockerfileProblem({ file, line: open.line }, `unterminated heredoc ${opening.word}`);
      open.documents.push(document);
      index += document.raw.split('\n').length - 1;
    }
    found.push(open);
    open = undefined;
  }
  return open ? [...found, open] : found;
}

function instructionOf(
  place: Place,
  whole: string,
  { escapeSign, documents }: Pick<Instruction, 'escapeSign' | 'documents'>,
): Instruction {
  const [, word = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*)$/.exec(whole) ?? [];
  const name = word.toUpperCase();
  if (!KNOWN.has(name)) throw new DockerfileProblem(place, `unknown instruction: ${word.slice(0, 50)}`);
  const { flags, mounts, text } = withoutFlags(rest.trim());
  if (!text) throw new DockerfileProblem(place, `${name} requires at least one argument`);
  const list = TAKES_LIST.has(name) ? listIn(text) : undefined;
  return { ...place, name, flags, mounts, text, list, documents, escapeSign };
}

function withoutFlags(text: string): Pick<Instruction, 'flags' | 'mounts' | 'text'> {
  const flags = new Map<string, string>();
  const mounts: string[] = [];
  let rest = text;
  for (;;) {
    const [all, name, value = 'true'] = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(rest) ?? [];
    if (all === undefined || name === undefined) return { flags, mounts, text: rest };
    flags.set(name, value);
    if (name === 'mount') mounts.push(value);
    rest = rest.slice(all.length);
  }
}

/** What begins like a list and is none is a shell form, as Docker takes it. */
function listIn(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
