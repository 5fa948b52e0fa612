/** How many errors one object is told: a body of some MiB could earn a million. */
import type { FieldError } from '../field-error.ts';

export const MAX_ERRORS = 1000;

/** The errors of each in turn, until there are enough. */
export function collectErrors<T>(
  list: Iterable<T>,
  errorsOf: (item: T, index: number) => readonly FieldError[],
): FieldError[] {
  const errors: FieldError[] = [];
  let index = 0;
  for (const item of list) {
    for (const error of errorsOf(item, index++)) errors.push(error);
    if (errors.length >= MAX_ERRORS) return errors.slice(0, MAX_ERRORS);
  }
  return errors;
}
