/** What a Go template says, as a tree. */
import { VerbError } from '../verb-error.ts';
import { isFunction } from './go-template-functions.ts';

export type Expression =
  | { type: 'literal'; value: unknown }
  | { type: 'dot'; fields: readonly string[] }
  | { type: 'variable'; name: string; fields: readonly string[] }
  | { type: 'pipeline'; pipeline: Pipeline; fields: readonly string[] }
  | { type: 'function'; name: string };

export interface Pipeline {
  /** `$a := `, and of a range `$i, $a := `. */
  variables: readonly string[];
  /** `=` instead of `:=`. */
  isAssignment: boolean;
  commands: readonly (readonly Expression[])[];
}

export type Node =
  | { type: 'text'; text: string }
  | { type: 'action'; pipeline: Pipeline }
  | Block<'if'>
  | Block<'with'>
  | Block<'range'>
  | { type: 'break' | 'continue' };

export interface Block<Type extends string> {
  type: Type;
  pipeline: Pipeline;
  body: readonly Node[];
  otherwise: readonly Node[];
}

const MAX_LENGTH = 1 << 20;

/** Throws VerbError for what is no template. */
export function parseGoTemplate(source: string): readonly Node[] {
  if (source.length > MAX_LENGTH) throw new VerbError('error parsing template: it is too long');
  return new Parser(source, partsOf(source)).template();
}

interface Part {
  type: 'text' | 'action';
  text: string;
}

/** Texts and what stands in braces; `{{-` and `-}}` take the white space beside them away, comments are left out. */
function partsOf(source: string): Part[] {
  const parts: Part[] = [];
  const pattern =
    /\{\{(- )?(?:\s*(\/\*.*?\*\/)\s*|((?:"(?:[^"\\]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)*'|(?!\}\}|\s-\}\}).)*?))(\s-)?\}\}/gs;
  let at = 0;
  let isTrimmed = false;
  const text = (end: number, isCut: boolean | undefined) => {
    let between = source.slice(at, end);
    if (isTrimmed) between = between.trimStart();
    if (isCut) between = between.trimEnd();
    if (between) parts.push({ type: 'text', text: between });
  };
  for (const match of source.matchAll(pattern)) {
    text(match.index, Boolean(match[1]));
    if (match[2] === undefined) parts.push({ type: 'action', text: (match[3] ?? '').trim() });
    at = match.index + match[0].length;
    isTrimmed = Boolean(match[4]);
  }
  if (source.indexOf('{{', at) >= 0) throw problem(source, 'unclosed action');
  text(source.length, false);
  return parts;
}

const problem = (source: string, why: string): VerbError =>
  new VerbError(`error parsing template ${source}, template: output:1: ${why}`);

const BLOCKS = new Set(['if', 'with', 'range']);

class Parser {
  readonly #source: string;
  readonly #parts: readonly Part[];
  #at = 0;

  constructor(source: string, parts: readonly Part[]) {
    this.#source = source;
    this.#parts = parts;
  }

  template(): Node[] {
    const { nodes, end } = this.#until();
    if (end !== undefined) throw problem(this.#source, `unexpected {{${end.split(' ')[0]}}}`);
    return nodes;
  }

  /** Up to `end` or `else`, which is `end`; undefined at the end of the text. */
  #until(): { nodes: Node[]; end: string | undefined } {
    const nodes: Node[] = [];
    while (this.#at < this.#parts.length) {
      const { type, text } = this.#parts[this.#at++]!;
      if (type === 'text') {
        nodes.push({ type, text });
        continue;
      }
      const [word = ''] = /^\w+/.exec(text) ?? [];
      if (word === 'end' || word === 'else') return { nodes, end: text };
      if (word === 'break' || word === 'continue') nodes.push({ type: word });
      else if (BLOCKS.has(word)) nodes.push(this.#block(word as 'if', text.slice(word.length)));
      else nodes.push({ type: 'action', pipeline: this.#pipeline(text) });
    }
    return { nodes, end: undefined };
  }

  #block(type: 'if' | 'with' | 'range', text: string): Node {
    const pipeline = this.#pipeline(text);
    const { nodes: body, end } = this.#until();
    if (end === undefined) throw problem(this.#source, 'unexpected EOF');
    if (end === 'end') return { type, pipeline, body, otherwise: [] };
    const [, chained = '', rest = ''] = /^else\s*(if|with)?(.*)$/s.exec(end) ?? [];
    if (chained) return { type, pipeline, body, otherwise: [this.#block(chained as 'if', rest)] };
    const { nodes: otherwise, end: last } = this.#until();
    if (last !== 'end') throw problem(this.#source, last === undefined ? 'unexpected EOF' : `unexpected {{else}}`);
    return { type, pipeline, body, otherwise };
  }

  #pipeline(text: string): Pipeline {
    const words = new Words(text, this.#source);
    const pipeline = words.pipeline();
    words.expectEnd();
    return pipeline;
  }
}

const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|('(?:[^'\\]|\\.)+')|(:=|=|\||\(|\)|,)|(\$\w*(?:\.\w+)*)|(\.(?:\w+(?:\.\w+)*)?)|([-+]?\d[\w.+-]*)|(\w+))/y;

/** What stands inside of one pair of braces. */
class Words {
  readonly #text: string;
  readonly #source: string;
  #at = 0;

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
  }

  pipeline(): Pipeline {
    const declared = /^\s*(\$\w+)\s*(?:,\s*(\$\w+)\s*)?(:=|=(?!=))/.exec(this.#text.slice(this.#at));
    if (declared) this.#at += declared[0].length;
    const commands: Expression[][] = [[]];
    for (;;) {
      const token = this.#peek();
      if (!token || token[3] === ')') break;
      if (token[3] === '|') {
        this.#at = TOKEN.lastIndex;
        commands.push([]);
      } else commands.at(-1)!.push(this.#expression(token));
    }
    if (commands.some((command) => command.length === 0)) throw problem(this.#source, 'missing value for command');
    const variables = declared ? [declared[1]!, declared[2]].filter((name) => name !== undefined) : [];
    return { variables, isAssignment: declared?.[3] === '=', commands };
  }

  expectEnd(): void {
    if (this.#text.slice(this.#at).trim() !== '') throw this.#unexpected();
  }

  #unexpected(): VerbError {
    return problem(
      this.#source,
      `unexpected ${JSON.stringify(this.#text.slice(this.#at).trim().slice(0, 10))} in command`,
    );
  }

  #peek(): RegExpExecArray | undefined {
    TOKEN.lastIndex = this.#at;
    const token = TOKEN.exec(this.#text);
    if (token) return token;
    if (this.#text.slice(this.#at).trim() !== '') throw this.#unexpected();
    return undefined;
  }

  #expression(token: RegExpExecArray): Expression {
    this.#at = TOKEN.lastIndex;
    const [, text, char, sign, variable, dot, number, word] = token;
    if (text !== undefined)
      return { type: 'literal', value: text[0] === '`' ? text.slice(1, -1) : this.#unquoted(text) };
    if (char !== undefined) return { type: 'literal', value: this.#unquoted(`"${char.slice(1, -1)}"`).codePointAt(0) };
    if (sign === '(') {
      const pipeline = this.pipeline();
      if (this.#peek()?.[3] !== ')') throw problem(this.#source, 'unclosed left paren');
      this.#at = TOKEN.lastIndex;
      const [fields = ''] = /^(?:\.\w+)+/.exec(this.#text.slice(this.#at)) ?? [];
      this.#at += fields.length;
      return { type: 'pipeline', pipeline, fields: fields.split('.').slice(1) };
    }
    if (variable !== undefined) {
      const [name = '', ...fields] = variable.split('.');
      return { type: 'variable', name, fields };
    }
    if (dot !== undefined) return { type: 'dot', fields: dot === '.' ? [] : dot.split('.').slice(1) };
    if (number !== undefined) return { type: 'literal', value: this.#number(number) };
    if (word === 'true' || word === 'false') return { type: 'literal', value: word === 'true' };
    if (word === 'nil') return { type: 'literal', value: null };
    if (word === undefined || sign !== undefined) throw this.#unexpected();
    if (!isFunction(word)) throw problem(this.#source, `function ${JSON.stringify(word)} not defined`);
    return { type: 'function', name: word };
  }

  #number(text: string): number {
    const value = Number(text.replace(/_/g, ''));
    if (Number.isNaN(value)) throw problem(this.#source, `bad number syntax: ${JSON.stringify(text)}`);
    return value;
  }

  #unquoted(text: string): string {
    try {
      const escapes = text.replace(/\\([avx'])([0-9a-fA-F]{2})?/g, (whole, kind: string, hex = '') => {
        if (kind === 'x' && hex) return `\\u00${hex}`;
        const plain = kind === 'a' ? '\\u0007' : kind === 'v' ? '\\u000b' : kind === "'" ? "'" : undefined;
        return plain === undefined ? whole : plain + hex;
      });
      return JSON.parse(escapes) as string;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw problem(this.#source, 'invalid syntax');
    }
  }
}
