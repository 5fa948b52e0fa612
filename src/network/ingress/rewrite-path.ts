/** Paths that are regular expressions, as in a location of nginx: from the beginning of the path, in any case of letters. */
import { RE2JS, RE2JSException } from 're2js';

const MOST_KEPT = 10_000;
/** undefined for what is no regular expression: such a path is never taken. */
const compiled = new Map<string, RE2JS | undefined>();

/**
 * The target with what the groups of the expression hold, encoded; true: it matches, and there is no target. undefined: it
 * does not match.
 */
export function rewritePath(expression: string, path: string, target: string | undefined): string | true | undefined {
  const matcher = patternOf(expression)?.matcher(path);
  if (!matcher?.lookingAt()) return undefined;
  if (target === undefined) return true;
  return target.replace(/\$(\d)/g, (_, digit: string) => {
    const group = Number(digit);
    return group <= matcher.groupCount() ? encoded(matcher.group(group) ?? '') : '';
  });
}

function patternOf(expression: string): RE2JS | undefined {
  if (compiled.has(expression)) return compiled.get(expression);
  if (compiled.size >= MOST_KEPT) compiled.clear();
  let pattern: RE2JS | undefined;
  try {
    pattern = RE2JS.compile(expression, RE2JS.CASE_INSENSITIVE);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
  }
  compiled.set(expression, pattern);
  return pattern;
}

const encoded = (text: string): string => text.split('/').map(encodeURIComponent).join('/');
