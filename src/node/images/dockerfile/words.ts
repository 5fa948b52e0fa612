/** Words, quotes and variables as Dockerfiles have them, which is a little less than a shell's. */

/** Splits at spaces outside of quotes; `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}` are replaced but in single quotes. */
export function wordsOf(text: string, variables: ReadonlyMap<string, string>): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '\\' && quote !== "'") {
      at++;
      word = `${word ?? ''}${quote === '"' && !/["$\\]/.test(text[at] ?? '') ? '\\' : ''}${text[at] ?? ''}`;
    } else if (char === quote) {
      quote = '';
    } else if (!quote && (char === '"' || char === "'")) {
      quote = char;
      word ??= '';
    } else if (!quote && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '$' && quote !== "'") {
      const { value, length } = variableAt(text.slice(at), variables);
      word = (word ?? '') + value;
      at += length - 1;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote) throw new SyntaxError(`the quote ${quote} is not closed`);
  return word === undefined ? words : [...words, word];
}

/** The whole text as one word. */
export const expanded = (text: string, variables: ReadonlyMap<string, string>): string =>
  wordsOf(text, variables).join(' ');

function variableAt(text: string, variables: ReadonlyMap<string, string>): { value: string; length: number } {
  const [simple, name] = /^\$([A-Za-z_][A-Za-z0-9_]*)/.exec(text) ?? [];
  if (simple !== undefined && name !== undefined) return { value: variables.get(name) ?? '', length: simple.length };
  const [braced, key, sign, word = ''] = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^{}]*))?\}/.exec(text) ?? [];
  if (braced === undefined || key === undefined) {
    if (text.startsWith('${')) throw new SyntaxError(`unsupported substitution: ${text.slice(0, 30)}`);
    return { value: '$', length: 1 };
  }
  const value = variables.get(key) ?? '';
  const chosen =
    sign === '-' ? value || expanded(word, variables) : sign === '+' ? (value ? expanded(word, variables) : '') : value;
  return { value: chosen, length: braced.length };
}

/** `A=1 B="two words"`, or the old form `A one and the rest`. */
export function pairsOf(text: string, variables: ReadonlyMap<string, string>): [string, string][] {
  const [first = ''] = text.split(/\s/, 1);
  if (!first.includes('=')) {
    const rest = text.slice(first.length).trim();
    if (!rest) throw new SyntaxError(`${first} has no value`);
    return [[first, expanded(rest, variables)]];
  }
  return wordsOf(text, variables).map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new SyntaxError(`"${word}" is not NAME=value`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}
