/** Words and quotes as Dockerfiles have them, which is a little less than a shell's. */
import { variableAt, type Variables } from './variables.ts';

/** Splits at spaces outside of quotes; variables are replaced but in single quotes. */
export function wordsOf(text: string, variables: ReadonlyMap<string, string>, escapeSign = '\\'): string[] {
  const scope: Variables = { values: variables, escapeSign };
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === escapeSign && quote !== "'") {
      at++;
      const isTaken = quote !== '"' || ['"', '$', escapeSign].includes(text[at] ?? '');
      word = `${word ?? ''}${isTaken ? '' : escapeSign}${text[at] ?? ''}`;
    } else if (char === quote) {
      quote = '';
    } else if (!quote && (char === '"' || char === "'")) {
      quote = char;
      word ??= '';
    } else if (!quote && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '$' && quote !== "'") {
      const { value, length } = variableAt(text.slice(at), scope);
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
export const expanded = (text: string, variables: ReadonlyMap<string, string>, escapeSign?: string): string =>
  wordsOf(text, variables, escapeSign).join(' ');

/** `A=1 B="two words"`, or the old form `A one and the rest`. */
export function pairsOf(text: string, variables: ReadonlyMap<string, string>, escapeSign?: string): [string, string][] {
  const [first = ''] = text.split(/\s/, 1);
  if (!first.includes('=')) {
    const rest = text.slice(first.length).trim();
    if (!rest) throw new SyntaxError(`${first} has no value`);
    return [[first, expanded(rest, variables, escapeSign)]];
  }
  return wordsOf(text, variables, escapeSign).map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new SyntaxError(`"${word}" is not NAME=value`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}
