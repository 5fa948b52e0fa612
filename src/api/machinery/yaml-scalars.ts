/** Where the scalars of a YAML text end. Source: YAML 1.1, chapters 8 and 9; libyaml's scanner for the complaints. */
import { isBlank, isBreak, isSpace, type YamlCursor } from './yaml-cursor.ts';

export interface ScalarPlace {
  /** How far in the collection stands that the scalar belongs to; -1 for none. */
  indent: number;
  inFlow: boolean;
}

/** `|` and `>`. */
export function skipBlockScalar(cursor: YamlCursor, { indent: parent }: ScalarPlace): void {
  cursor.skip();
  const [header = ''] = /^(?:[-+]\d?|\d[-+]?)/.exec(cursor.ahead(2)) ?? [];
  const [digit] = /\d/.exec(header) ?? [];
  if (digit === '0') cursor.complain('found an indentation indicator equal to 0');
  cursor.skip(header.length);
  while (isBlank(cursor.char)) cursor.skip();
  if (cursor.char === '#') cursor.skipLine();
  if (!isBreak(cursor.char) && cursor.char !== undefined)
    cursor.complain('did not find expected comment or line break');
  if (cursor.char !== undefined) cursor.skipBreak();
  const indent = skipBlankLines(cursor, { parent, given: digit ? Math.max(parent, 0) + Number(digit) : 0 });
  while (cursor.column === indent && cursor.char !== undefined) {
    cursor.skipLine();
    if (cursor.char !== undefined) cursor.skipBreak();
    skipBlankLines(cursor, { parent, given: indent });
  }
}

/** @returns how far in the lines of a block stand: as far as its first that is not empty, where nobody said it. */
function skipBlankLines(cursor: YamlCursor, { parent, given }: { parent: number; given: number }): number {
  let deepest = 0;
  for (;;) {
    while ((given === 0 || cursor.column < given) && cursor.char === ' ') cursor.skip();
    deepest = Math.max(deepest, cursor.column);
    if ((given === 0 || cursor.column < given) && cursor.char === '\t')
      cursor.complain('found a tab character where an indentation space is expected');
    if (!isBreak(cursor.char)) break;
    cursor.skipBreak();
  }
  return given || Math.max(deepest, parent + 1, 1);
}

export function skipQuoted(cursor: YamlCursor): void {
  const quote = cursor.char;
  cursor.skip();
  for (;;) {
    if (cursor.isAtDocumentMark) cursor.complain('found unexpected document indicator');
    const { char, behind } = cursor;
    if (char === undefined) {
      cursor.toNextLine();
      cursor.complain('found unexpected end of stream');
    }
    if (isBreak(char)) cursor.skipBreak();
    else if (char === '\\' && quote === '"') skipEscape(cursor);
    else if (char !== quote) cursor.skip();
    else if (quote === "'" && behind === quote) cursor.skip(2);
    else break;
  }
  cursor.skip();
}

function skipEscape(cursor: YamlCursor): void {
  const escaped = cursor.behind ?? '';
  const digits = { x: 2, u: 4, U: 8 }[escaped] ?? 0;
  const isKnown = digits > 0 || isBreak(escaped) || '0abt\tnvfre "\'/\\N_LP'.includes(escaped);
  if (!isKnown) cursor.complain('found unknown escape character');
  cursor.skip(isBreak(escaped) ? 1 : 2); // the end of a line counts as one
  for (let left = digits; left > 0; left--) {
    if (!/[\da-fA-F]/.test(cursor.char ?? '')) cursor.complain('did not find expected hexdecimal number');
    cursor.skip();
  }
}

/** @returns whether it stands at the beginning of a line then. */
export function skipPlain(cursor: YamlCursor, { indent, inFlow }: ScalarPlace): boolean {
  let hasBreaks = false;
  while (!cursor.isAtDocumentMark && cursor.char !== '#') {
    while (!endsPlain(cursor, inFlow)) {
      hasBreaks = false;
      cursor.skip();
    }
    if (cursor.char === undefined || !isSpace(cursor.char)) break;
    hasBreaks = skipSpaces(cursor, { indent, hasBreaks });
    if (!inFlow && cursor.column <= indent) break;
  }
  return hasBreaks;
}

function skipSpaces(cursor: YamlCursor, { indent, hasBreaks }: { indent: number; hasBreaks: boolean }): boolean {
  let hadBreaks = hasBreaks;
  while (cursor.char !== undefined && isSpace(cursor.char)) {
    if (isBreak(cursor.char)) {
      cursor.skipBreak();
      hadBreaks = true;
      continue;
    }
    if (hadBreaks && cursor.column <= indent && cursor.char === '\t')
      cursor.complain('found a tab character that violates indentation');
    cursor.skip();
  }
  return hadBreaks;
}

function endsPlain({ char, behind }: YamlCursor, inFlow: boolean): boolean {
  if (isSpace(char)) return true;
  if (char === ':') return isSpace(behind) || (inFlow && /[,?[\]{}]/.test(behind ?? ''));
  return inFlow && (/[,[\]{}]/.test(char ?? '') || (char === '?' && isSpace(behind)));
}
