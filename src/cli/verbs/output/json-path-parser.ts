/** Reads kubectl's templates of JSONPath. */
import { VerbError } from '../verb-error.ts';

export type Step =
  | { type: 'field'; name: string }
  | { type: 'recursive' }
  | { type: 'all' }
  | { type: 'slice'; from?: number; to?: number; step: number; isIndex: boolean }
  | { type: 'union'; of: readonly (readonly Step[])[] }
  | { type: 'filter'; left: Operand; operator?: string; right?: Operand };
export type Operand = { steps: readonly Step[] } | { literal: unknown };
export type TemplateNode =
  | { type: 'text'; text: string }
  | { type: 'path'; steps: readonly Step[] }
  | { type: 'range'; steps: readonly Step[]; body: readonly TemplateNode[] };

export class TemplateParser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  nodes(): TemplateNode[] {
    return this.#until(false);
  }

  #until(inRange: boolean): TemplateNode[] {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const open = this.#source.indexOf('{', this.#at);
      const text = this.#source.slice(this.#at, open < 0 ? undefined : open);
      if (text) nodes.push({ type: 'text', text });
      if (open < 0) {
        this.#at = this.#source.length;
        return nodes; // a range that nobody ends goes on to the end of the text
      }
      const action = this.#action(open + 1).trim();
      if (action === 'end') {
        if (!inRange) throw this.#refused('not in range, nothing to end');
        return nodes;
      }
      const [, path] = /^range\s+(.*)$/s.exec(action) ?? [];
      if (path === undefined) nodes.push(...this.#actionNodes(action));
      else nodes.push({ type: 'range', steps: this.#steps(path), body: this.#until(true) });
    }
  }

  /** Up to the brace that closes it; braces in quotes do not count. */
  #action(from: number): string {
    let quote = '';
    for (let at = from; at < this.#source.length; at++) {
      const char = this.#source[at]!;
      if (char === '\\') at += 1;
      else if (quote) quote = char === quote ? '' : quote;
      else if (char === '"' || char === "'") quote = char;
      else if (char === '}') {
        this.#at = at + 1;
        return this.#source.slice(from, at);
      }
    }
    throw this.#refused(quote ? 'unterminated quoted string' : 'unclosed action');
  }

  #actionNodes(action: string): TemplateNode[] {
    const nodes: TemplateNode[] = [];
    let rest = action;
    while (rest !== '') {
      const quoted = /^\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*/s.exec(rest);
      if (quoted) {
        nodes.push({ type: 'text', text: unquoted(quoted[1]!) });
        rest = rest.slice(quoted[0].length);
        continue;
      }
      const literal = /^\s*(true|false|[-+]?\d+(?:\.\d+)?)(?![\w.])\s*/.exec(rest);
      if (literal) {
        nodes.push({ type: 'text', text: literalText(literal[1]!) });
        rest = rest.slice(literal[0].length);
        continue;
      }
      const end = pathEnd(rest);
      nodes.push({ type: 'path', steps: this.#steps(rest.slice(0, end)) });
      rest = rest.slice(end).trimStart();
    }
    return nodes;
  }

  #steps(text: string): Step[] {
    const steps: Step[] = [];
    let rest = text.trim().replace(/^[$@]/, '');
    if (rest !== '' && !/^[.[]/.test(rest)) throw this.#refused(`unrecognized identifier ${rest}`);
    while (rest !== '') {
      if (rest.startsWith('..')) {
        steps.push({ type: 'recursive' });
        rest = /^\.\.[^[.]/.test(rest) ? rest.slice(1) : rest.slice(2);
      } else if (rest.startsWith('[')) {
        const end = bracketEnd(rest);
        if (end < 0) throw this.#refused(/^\[\?\(/.test(rest) ? 'unterminated filter' : 'unterminated array');
        steps.push(this.#bracket(rest.slice(1, end)));
        rest = rest.slice(end + 1);
      } else {
        const [whole, name = ''] = /^\.((?:[^.[\]\\\s]|\\.)*)/.exec(rest) ?? [];
        if (whole === undefined) throw this.#refused(`unrecognized character in action: ${JSON.stringify(rest[0])}`);
        steps.push(name === '*' ? { type: 'all' } : { type: 'field', name: name.replace(/\\(.)/g, '$1') });
        rest = rest.slice(whole.length);
      }
    }
    return steps;
  }

  #bracket(text: string): Step {
    const filter = /^\?\((.*)\)$/s.exec(text.trim());
    if (filter) return this.#filter(filter[1]!.trim());
    if (text === '*') return { type: 'all' };
    const names = /^\s*(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*\s*$/.test(text);
    if (names) {
      const fields = [...text.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => a ?? b ?? '');
      return { type: 'union', of: fields.map((name) => this.#steps(`.${name}`)) }; // a name in quotes is a path too
    }
    if (text.includes(',')) return { type: 'union', of: text.split(',').map((part) => [this.#slice(part.trim())]) };
    return this.#slice(text.trim());
  }

  #slice(text: string): Step {
    const parts = /^(-?\d*)(?:(:)(-?\d*)(?::(-?\d*))?)?$/.exec(text);
    if (!parts || text === '') throw this.#refused(`invalid array index ${text}`);
    const [, from, colon, to, step] = parts;
    return {
      type: 'slice',
      ...(from && { from: Number(from) }),
      ...(to && { to: Number(to) }),
      step: Number(step || 1),
      isIndex: !colon,
    };
  }

  #filter(text: string): Step {
    const parts = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text);
    if (!parts) return { type: 'filter', left: this.#operand(text) };
    const [, left = '', operator = '', right = ''] = parts;
    return { type: 'filter', left: this.#operand(left), operator, right: this.#operand(right) };
  }

  #operand(text: string): Operand {
    if (/^["']/.test(text)) return { literal: unquoted(text) };
    if (text === 'true' || text === 'false') return { literal: text === 'true' };
    if (/^-?\d+(\.\d+)?$/.test(text)) return { literal: Number(text) };
    return { steps: this.#steps(text) };
  }

  #refused(why: string): VerbError {
    return new VerbError(`error parsing jsonpath ${this.#source}, ${why}`);
  }
}

/** Paths in one action stand apart by blanks. */
function pathEnd(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\') at += 1;
    else if (char === '[') depth += 1;
    else if (char === ']') depth -= 1;
    else if (depth === 0 && at > 0 && /[\s"']/.test(char)) return at;
  }
  return text.length;
}

function bracketEnd(text: string): number {
  let depth = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote) quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '[') depth += 1;
    else if (char === ']' && --depth === 0) return at;
  }
  return -1;
}

const literalText = (text: string): string => (/^[tf]/.test(text) ? text : String(Number(text)));

const UNQUOTED: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

const unquoted = (text: string): string =>
  text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => UNQUOTED[char] ?? char);
