/** What `$NAME` and `${NAME…}` mean. Source: "Dockerfile reference", "Environment replacement". */
export interface Variables {
  values: ReadonlyMap<string, string>;
  escapeSign: string;
}

/** Quotes are as they are: for texts of here-documents. */
export function replaced(text: string, scope: Variables): string {
  let result = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === scope.escapeSign && ['$', scope.escapeSign].includes(text[at + 1] ?? '')) {
      at++;
      result += text[at];
    } else if (char === '$') {
      const { value, length } = variableAt(text.slice(at), scope);
      result += value;
      at += length - 1;
    } else result += char;
  }
  return result;
}

/** `text` begins with the dollar sign. Throws SyntaxError. */
export function variableAt(text: string, scope: Variables): { value: string; length: number } {
  const [simple, name] = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(text) ?? [];
  if (simple !== undefined && name !== undefined) return { value: scope.values.get(name) ?? '', length: simple.length };
  if (!text.startsWith('${')) return { value: '$', length: 1 };
  const end = closingBrace(text, scope.escapeSign);
  const [, key, sign = '', word = ''] = FORM.exec(text.slice(2, end)) ?? [];
  if (key === undefined) throw new SyntaxError(`unsupported substitution: ${text.slice(0, 30)}`);
  return { value: substituted(key, { sign, word }, scope), length: end + 1 };
}

const FORM = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?]|##?|%%?|\/\/?)([\s\S]*))?$/;

/** Of the first brace; those of variables within are passed over. */
function closingBrace(text: string, escapeSign: string): number {
  let depth = 0;
  for (let at = 1; at < text.length; at++) {
    if (text[at] === escapeSign) at++;
    else if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  throw new SyntaxError(`unsupported substitution: ${text.slice(0, 30)}`);
}

function substituted(key: string, { sign, word }: { sign: string; word: string }, scope: Variables): string {
  const value = scope.values.get(key);
  // With a colon nothing is as good as empty.
  const isThere = sign.startsWith(':') ? Boolean(value) : value !== undefined;
  switch (sign.replace(':', '')) {
    case '':
      return value ?? '';
    case '-':
      return isThere ? (value ?? '') : replaced(word, scope);
    case '+':
      return isThere ? replaced(word, scope) : '';
    case '?':
      if (isThere) return value ?? '';
      throw new SyntaxError(`${key}: ${replaced(word, scope) || 'not set'}`);
    case '#':
    case '##':
      return withoutStart(value ?? '', replaced(word, scope), sign === '##');
    case '%':
    case '%%':
      return withoutEnd(value ?? '', replaced(word, scope), sign === '%%');
    default:
      return exchanged(value ?? '', word, { all: sign === '//', scope });
  }
}

type Sign = { char: string } | 'any' | 'one';

/** `*` and `?` of a shell. Only the last asterisk is ever tried again, so that no pattern takes long. */
function matches(pattern: readonly Sign[], text: string): boolean {
  let [at, sign] = [0, 0];
  let again: { at: number; sign: number } | undefined;
  while (at < text.length) {
    const wanted = pattern[sign];
    if (wanted === 'any') {
      sign++;
      again = { at, sign };
    } else if (wanted === 'one' || (wanted !== undefined && wanted.char === text[at])) {
      at++;
      sign++;
    } else if (again) {
      again = { at: again.at + 1, sign: again.sign };
      ({ at, sign } = again);
    } else return false;
  }
  return pattern.slice(sign).every((left) => left === 'any');
}

const MOST = 1000;

/** For a value of this length. */
function signsOf(pattern: string, value: string): Sign[] {
  if (value.length > MOST || pattern.length > MOST)
    throw new SyntaxError(`a pattern and what it is for have at most ${MOST} characters`);
  const parts = pattern.match(/\\?[\s\S]/g) ?? [];
  return parts.map((part) => (part === '*' ? 'any' : part === '?' ? 'one' : { char: part.slice(-1) }));
}

function withoutStart(value: string, pattern: string, isGreedy: boolean): string {
  const signs = signsOf(pattern, value);
  const ends = [...Array(value.length + 1).keys()];
  const end = (isGreedy ? ends.reverse() : ends).find((at) => matches(signs, value.slice(0, at)));
  return value.slice(end ?? 0);
}

function withoutEnd(value: string, pattern: string, isGreedy: boolean): string {
  const signs = signsOf(pattern, value);
  const starts = [...Array(value.length + 1).keys()];
  const start = (isGreedy ? starts : starts.reverse()).find((at) => matches(signs, value.slice(at)));
  return value.slice(0, start ?? value.length);
}

/** `${NAME/pattern/text}`: the longest match at the first place, or at every place. */
function exchanged(value: string, word: string, { all, scope }: { all: boolean; scope: Variables }): string {
  const cut = word.search(/(?<!\\)\//);
  if (cut === -1) throw new SyntaxError(`unsupported substitution: a "/" is missing in ${word.slice(0, 30)}`);
  const [pattern, text] = [replaced(word.slice(0, cut), scope), replaced(word.slice(cut + 1), scope)];
  const signs = signsOf(pattern, value);
  let result = '';
  for (let at = 0; at < value.length; at++) {
    const length = [...Array(value.length - at).keys()]
      .map((index) => value.length - at - index)
      .find((each) => matches(signs, value.slice(at, at + each)));
    if (length === undefined) {
      result += value[at];
      continue;
    }
    result += text;
    at += length - 1;
    if (!all) return result + value.slice(at + 1);
  }
  return result;
}
