/** `RESOURCE=QUANTITY,…`, as limits and requests are typed. */
import { canonicalQuantity } from '#api/machinery/quantity.ts';
import { VerbError } from './verb-error.ts';

/** Throws VerbError with kubectl's text. */
export function quantitiesIn(text: string): Record<string, string> {
  const statements = text ? text.split(',') : [];
  return Object.fromEntries(statements.map(quantityIn));
}

/** A suffix of the letters that there are, though not as they stand together. */
const NUMBER_AND_SUFFIX = /^[+-]?\d*(\.\d*)?[eEinumkKMGTP]*[-+]?\d*$/;

function quantityIn(statement: string): [resource: string, quantity: string] {
  const [resource = '', value, ...more] = statement.split('=');
  if (value === undefined || more.length > 0)
    throw new VerbError(`Invalid argument syntax ${statement}, expected <resource>=<value>`);
  const quantity = /\s/.test(value) ? undefined : canonicalQuantity(value);
  if (quantity !== undefined) return [resource, quantity];
  if (value !== '' && NUMBER_AND_SUFFIX.test(value)) throw new VerbError("unable to parse quantity's suffix");
  throw new VerbError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}
