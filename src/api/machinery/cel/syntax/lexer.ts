/** The words of an expression. Source: CEL language definition, "Syntax"; messages as cel-go's. */

export interface Token {
  /** An operator or word of the language stands for itself; the rest by the name that messages use. */
  readonly type: string;
  readonly text: string;
  readonly at: number;
}

export interface LexerError {
  readonly at: number;
  readonly message: string;
}

export const EOF = '<EOF>';

/** In the order in which messages list what was expected. */
const ORDER: readonly string[] = [
  ...['==', '!=', 'in', '<', '<=', '>=', '>', '&&', '||', '[', ']', '{', '}', '(', ')', '.', ',', '-', '!', '?', ':'],
  ...['+', '*', '/', '%', 'true', 'false', 'null', 'NUM_FLOAT', 'NUM_INT', 'NUM_UINT', 'STRING', 'BYTES'],
  ...['IDENTIFIER', 'ESC_IDENTIFIER'],
];

const isNamed = (type: string): boolean => type === EOF || /^[A-Z]/.test(type);

/** `':'`, or `{'[', ')', IDENTIFIER}`. */
export function formatExpected(types: readonly string[]): string {
  const sorted = types.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const shown = sorted.map((type) => (isNamed(type) ? type : `'${type}'`));
  return shown.length === 1 ? shown[0]! : `{${shown.join(', ')}}`;
}

const SPACE = /(?:[\t \r\n\f]+|\/\/[^\n]*)+/y;
const NUMBER = /0x[0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED_WORD = /`[A-Za-z0-9_./ -]+`/y;
const PUNCTUATION = /==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y;
const STRING_START = /(?:[bB]?[rR]?)(?:"""|'''|"|')/y;
const ESCAPE = /\\(?:[abfnrtv"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/y;
const RESERVED_WORDS: ReadonlySet<string> = new Set(['in', 'true', 'false', 'null']);

const matchAt = (form: RegExp, source: string, at: number): string | undefined => {
  form.lastIndex = at;
  return form.exec(source)?.[0];
};

/** All tokens, the last one `<EOF>`, and what is none. */
export function tokenize(source: string): { tokens: Token[]; errors: LexerError[] } {
  const tokens: Token[] = [];
  const errors: LexerError[] = [];
  for (let at = 0; at < source.length; ) {
    const space = matchAt(SPACE, source, at);
    if (space) {
      at += space.length;
      continue;
    }
    const token = tokenAt(source, at);
    if (token.type === 'ERROR') errors.push({ at, message: unrecognised(token.text) });
    else tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ type: EOF, text: EOF, at: source.length });
  return { tokens, errors };
}

const unrecognised = (text: string) => `Syntax error: token recognition error at: '${escapeText(text)}'`;

/** Line ends and tabs as messages show them. */
export const escapeText = (text: string): string =>
  text.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');

function tokenAt(source: string, at: number): Token {
  const string = stringAt(source, at);
  if (string) return { ...string, at };
  const number = matchAt(NUMBER, source, at);
  if (number) return { type: numberType(number), text: number, at };
  const word = matchAt(WORD, source, at);
  if (word) return { type: RESERVED_WORDS.has(word) ? word : 'IDENTIFIER', text: word, at };
  const mark = matchAt(PUNCTUATION, source, at);
  if (mark) return { type: mark, text: mark, at };
  const quoted = matchAt(QUOTED_WORD, source, at);
  if (quoted) return { type: 'ESC_IDENTIFIER', text: quoted, at };
  return { type: 'ERROR', text: unknownAt(source, at), at };
}

function numberType(text: string): string {
  if (/[uU]$/.test(text)) return 'NUM_UINT';
  return text.startsWith('0x') || /^\d+$/.test(text) ? 'NUM_INT' : 'NUM_FLOAT';
}

/** Up to and with the character at which no token can be any more. */
function unknownAt(source: string, at: number): string {
  const isHalf = '=&|'.includes(source[at]!);
  const end = isHalf ? at + 1 : at;
  return source.slice(at, end + widthAt(source, end));
}

const widthAt = (source: string, at: number): number => ((source.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);

function stringAt(source: string, at: number): { type: string; text: string } | undefined {
  const start = matchAt(STRING_START, source, at);
  if (!start) return undefined;
  const quote = start.replace(/^[a-z]+/i, '');
  const prefix = start.slice(0, start.length - quote.length);
  const type = /^b/i.test(prefix) ? 'BYTES' : 'STRING';
  const end = endOfString(source, { from: at + start.length, quote, isRaw: /r$/i.test(prefix) });
  if (end.isWhole) return { type, text: source.slice(at, end.at) };
  // `"""abc` begins with an empty string, `r"abc` with the name r.
  if (quote.length === 3) return { type, text: source.slice(at, at + start.length - 1) };
  if (prefix) return undefined;
  return { type: 'ERROR', text: source.slice(at, end.at + widthAt(source, end.at)) };
}

interface StringScan {
  from: number;
  quote: string;
  isRaw: boolean;
}

/** Behind the closing quote, or at the character that cannot be in the string. */
function endOfString(source: string, { from, quote, isRaw }: StringScan): { at: number; isWhole: boolean } {
  const isLong = quote.length === 3;
  for (let at = from; at < source.length; ) {
    if (source.startsWith(quote, at)) return { at: at + quote.length, isWhole: true };
    const char = source[at]!;
    if (!isLong && (char === '\n' || char === '\r')) return { at, isWhole: false };
    if (isRaw || char !== '\\') {
      at += 1;
      continue;
    }
    const escaped = matchAt(ESCAPE, source, at);
    if (!escaped) return { at: badEscapeAt(source, at), isWhole: false };
    at += escaped.length;
  }
  return { at: source.length, isWhole: false };
}

/** The first character of an escape that makes it none. */
function badEscapeAt(source: string, at: number): number {
  const begun = /^\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?/.exec(
    source.slice(at, at + 10),
  );
  return at + begun![0].length;
}
