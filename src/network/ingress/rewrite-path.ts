/** Paths that are regular expressions, as in a location of nginx: from the beginning of the path, in any case of letters. */
import { RE2JS } from 're2js';
import { Expressions } from './expressions.ts';

const expressions = new Expressions(RE2JS.CASE_INSENSITIVE);

/**
 * The target with what the groups of the expression hold, encoded; true: it matches, and there is no target. undefined: it
 * does not match.
 */
export function rewritePath(expression: string, path: string, target: string | undefined): string | true | undefined {
  const matcher = expressions.matcher(expression, path);
  if (!matcher?.lookingAt()) return undefined;
  if (target === undefined) return true;
  return target.replace(/\$(\d)/g, (_, digit: string) => {
    const group = Number(digit);
    return group <= matcher.groupCount() ? encoded(matcher.group(group) ?? '') : '';
  });
}

const encoded = (text: string): string => text.split('/').map(encodeURIComponent).join('/');
