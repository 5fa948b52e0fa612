/** A Dockerfile as a list of instructions. Source: "Dockerfile reference", of which Kedge reads a subset. */
import { DockerfileProblem, type Place } from './problem.ts';

export interface Instruction extends Place {
  /** In capitals. */
  name: string;
  /** `--from=build` → from: 'build'. */
  flags: ReadonlyMap<string, string>;
  /** The rest of it, continuation lines joined. */
  text: string;
  /** Of the JSON form, `["a", "b"]`; undefined: it has another form. */
  list: string[] | undefined;
}

const KNOWN = new Set(
  'FROM COPY ADD RUN ENV WORKDIR USER ENTRYPOINT CMD EXPOSE LABEL VOLUME ARG SHELL HEALTHCHECK STOPSIGNAL MAINTAINER'.split(
    ' ',
  ),
);
/** Instructions of Docker's that would do nothing useful here, or cannot be done without BuildKit. */
const UNSUPPORTED = new Map([['ONBUILD', 'ONBUILD is not supported: write what it triggers where it is to happen']]);
const TAKES_LIST = new Set(['COPY', 'ADD', 'RUN', 'ENTRYPOINT', 'CMD', 'VOLUME', 'SHELL']);
const MOST_BYTES = 1 << 20;

/** Throws DockerfileProblem. */
export function parseDockerfile(file: string, text: string): Instruction[] {
  if (text.length > MOST_BYTES) throw new DockerfileProblem({ file, line: 1 }, `longer than ${MOST_BYTES} characters`);
  refuseDirectives(file, text);
  const instructions: Instruction[] = [];
  for (const { line, text: whole } of logicalLines(text)) instructions.push(instructionOf({ file, line }, whole));
  if (!instructions.some(({ name }) => name === 'FROM')) {
    throw new DockerfileProblem({ file, line: 1 }, 'no FROM: write `FROM scratch`, or the image to begin with');
  }
  return instructions;
}

/** `# syntax=` names a frontend, which is not asked; `# escape=` would change what a line is. */
function refuseDirectives(file: string, text: string): void {
  for (const [index, line] of text.split('\n').entries()) {
    const [, name, value = ''] = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line) ?? [];
    if (name === undefined) return;
    if (name.toLowerCase() === 'escape' && value !== '\\') {
      throw new DockerfileProblem({ file, line: index + 1 }, 'only \\ is supported as the escape character');
    }
  }
}

/** Comments and empty lines are left out, also between the lines of one instruction. */
function logicalLines(text: string): { line: number; text: string }[] {
  const found: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#.*)?$/.test(raw)) continue;
    const [, body = raw, continued] = /^(.*?)(\\[ \t]*)?$/.exec(raw) ?? [];
    open ??= { line: index + 1, text: '' };
    open.text += body;
    if (continued) continue;
    found.push(open);
    open = undefined;
  }
  return open ? [...found, open] : found;
}

function instructionOf(place: Place, whole: string): Instruction {
  const [, word = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*)$/.exec(whole) ?? [];
  const name = word.toUpperCase();
  const unsupported = UNSUPPORTED.get(name);
  if (unsupported) throw new DockerfileProblem(place, unsupported);
  if (!KNOWN.has(name)) throw new DockerfileProblem(place, `unknown instruction: ${word.slice(0, 50)}`);
  const { flags, text } = withoutFlags(rest.trim());
  if (!text) throw new DockerfileProblem(place, `${name} requires at least one argument`);
  if (['RUN', 'COPY', 'ADD'].includes(name) && /<<[-~]?['"]?[A-Za-z_]/.test(text)) {
    throw new DockerfileProblem(place, `here-documents (<<) are not supported: write a file and COPY it`);
  }
  return { ...place, name, flags, text, list: TAKES_LIST.has(name) ? listIn(text) : undefined };
}

function withoutFlags(text: string): { flags: Map<string, string>; text: string } {
  const flags = new Map<string, string>();
  let rest = text;
  for (;;) {
    const [all, name, value = 'true'] = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(rest) ?? [];
    if (all === undefined || name === undefined) return { flags, text: rest };
    flags.set(name, value);
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
