/** Regular expressions: RE2, whose time grows with the text alone, so that no pattern can hold the server up. */
import { RE2JS } from 're2js';
import { remembering } from '#base/remembering.ts';
import { CelError } from '../value.ts';
import { spendWork } from '../work.ts';

/** Patterns that are part of rules stay; those made while evaluating come and go. */
const MAX_COMPILED = 2000;
/** A compiled pattern takes much more room than its text. */
const LONGEST_KEPT = 1000;

export const patternOf = remembering(compile, { most: MAX_COMPILED, longest: LONGEST_KEPT });

function compile(text: string): RE2JS | CelError {
  try {
    return RE2JS.compile(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return new CelError(message.endsWith('trailing backslash at end of expression') ? `${message}: \`\`` : message);
  }
}

/** Somewhere in the text. */
export function matches(text: string, pattern: string): boolean | CelError {
  const made = patternOf(pattern);
  if (made instanceof CelError) return made;
  spendSearch(made, text);
  return made.matcher(text).find();
}

/** Steps that a usual pattern has. */
const USUAL_STEPS = 50;

/** `(a?){1000}` is short, and slow all the same: each character may be looked at in each of its steps. */
export function spendSearch(pattern: RE2JS, text: string): void {
  spendWork(text.length * Math.max(0, pattern.programSize() - USUAL_STEPS));
}
