/** Something wrong with an expression, at a place in its source; printed as cel-go prints it. */

export interface Issue {
  readonly message: string;
  /** From 1. */
  readonly line: number;
  /** From 0, in characters (code points); printed from 1. */
  readonly column: number;
  readonly source: string;
  /** Says how many more there are. */
  readonly isSummary?: boolean;
  /** The expression is right, but no program can be made of it. */
  readonly isOfProgram?: boolean;
}

/** `what` compiles: nothing for an expression, or `messageExpression `. */
export function compilationProblem(issues: readonly Issue[], what = ''): string {
  const [first] = issues;
  if (!first?.isOfProgram) return `${what}compilation failed: ${formatIssues(issues)}`;
  return `${what || 'program '}instantiation failed: ${first.message}`;
}

/**
 * One block for each issue:
 *
 *     ERROR: <input>:1:6: undeclared reference to 'x' (in container '')
 *      | self.x
 *      | .....^
 */
export const formatIssues = (issues: readonly Issue[]): string => issues.map(formatIssue).join('\n');

/** No more are shown. */
const MAX_ISSUES = 100;

/** In the order of the source; `at` undefined is the whole of it. */
export function issuesOf(errors: readonly { at: number | undefined; message: string }[], source: string): Issue[] {
  const shown = errors.slice(0, MAX_ISSUES).toSorted((a, b) => (a.at ?? -1) - (b.at ?? -1));
  const issues = shown.map(({ at, message }): Issue => ({ message, ...placeOf(at, source), source }));
  if (errors.length <= MAX_ISSUES) return issues;
  const message = `${errors.length - MAX_ISSUES} more errors were truncated`;
  return [...issues, { message, line: 0, column: 0, source, isSummary: true }];
}

function placeOf(at: number | undefined, source: string): { line: number; column: number } {
  if (source === '') return { line: 1, column: -1 };
  if (at === undefined) return { line: -1, column: -1 };
  const before = source.slice(0, at);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: [...before.slice(lineStart)].length };
}

/** No line of the source is shown that is longer. */
const MAX_SNIPPET = 16384;

function formatIssue({ message, line, column, source, isSummary }: Issue): string {
  if (isSummary) return message;
  const head = `ERROR: <input>:${line}:${column + 1}: ${message}`;
  const text = source.split('\n')[line - 1];
  if (text === undefined || column < 0) return head;
  const shown = text.replaceAll('\t', ' ');
  if (shown.length > MAX_SNIPPET) return head;
  const before = [...shown].slice(0, column);
  const dots = before.map((char) => (isWide(char) ? '．' : '.')).join('');
  const at = [...shown][column];
  return `${head}\n | ${shown}\n | ${dots}${at !== undefined && isWide(at) ? '＾' : '^'}`;
}

/** cel-go takes every character of more than one byte for a wide one. */
const isWide = (char: string): boolean => char.codePointAt(0)! > 0x7f;
