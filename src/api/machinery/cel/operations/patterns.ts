/** Regular expressions: RE2, whose time grows with the text alone, so that no pattern can hold the server up. */
import { RE2JS } from 're2js';
import { CelError } from '../value.ts';

const compiled = new Map<string, RE2JS | CelError>();
/** Patterns that are part of rules stay; those made while evaluating come and go. */
const MAX_COMPILED = 2000;
/** A compiled pattern takes much more room than its text. */
const MAX_KEPT_LENGTH = 1000;

export function patternOf(text: string): RE2JS | CelError {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const made = compile(text);
  if (text.length > MAX_KEPT_LENGTH) return made;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(text, made);
  return made;
}

function compile(text: string): RE2JS | CelError {
  try {
    return RE2JS.compile(text);
  } catch (error) {
    return new CelError(error instanceof Error ? error.message : String(error));
  }
}

/** Somewhere in the text. */
export function matches(text: string, pattern: string): boolean | CelError {
  const made = patternOf(pattern);
  return made instanceof CelError ? made : made.matcher(text).find();
}
