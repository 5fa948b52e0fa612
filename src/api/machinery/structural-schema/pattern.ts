/** Regular expressions of schemas: RE2, whose time grows with the text alone, so that no pattern can hold the server up. */
import { RE2JS } from 're2js';

const compiled = new Map<string, RE2JS | string>();
/** Patterns come from definitions, of which a cluster has hundreds. */
const MAX_COMPILED = 2000;

function compile(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  let made: RE2JS | string;
  try {
    made = RE2JS.compile(pattern);
  } catch (error) {
    made = error instanceof Error ? error.message : String(error);
  }
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(pattern, made);
  return made;
}

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
