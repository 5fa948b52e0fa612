/** Regular expressions of schemas: RE2, whose time grows with the text alone, so that no pattern can hold the server up. */
import { RE2JS } from 're2js';
import { remembering } from '#base/remembering.ts';

/** Patterns come from definitions, of which a cluster has hundreds; some list all that is allowed. */
const MAX_COMPILED = 2000;
const LONGEST_KEPT = 20_000;

const compile = remembering(
  (pattern: string): RE2JS | string => {
    try {
      return RE2JS.compile(pattern);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  },
  { most: MAX_COMPILED, longest: LONGEST_KEPT },
);

/** Why it is no regular expression; undefined when it is one. */
export function patternProblem(pattern: string): string | undefined {
  const made = compile(pattern);
  return typeof made === 'string' ? made : undefined;
}

/** Somewhere in the text, as upstream. False for what is no pattern. */
export function matchesPattern(text: string, pattern: string): boolean {
  const made = compile(pattern);
  return typeof made !== 'string' && made.matcher(text).find();
}
