/** `RESOURCE=QUANTITY,…`, as limits and requests are typed. */
import { canonicalQuantity } from '#api/machinery/quantity.ts';
import { VerbError } from './verb-error.ts';

/** Throws VerbError with kubectl's text. */
export function quantitiesIn(text: string): Record<string, string> {
  const statements = text ? text.split(',') : [];
  return Object.fromEntries(statements.map(quantityIn));
}

function quantityIn(statement: string): [resource: string, quantity: string] {
  const [resource = '', value, ...more] = statement.split('=');
  if (value === undefined || more.length > 0)
    throw new VerbError(`Invalid argument syntax ${statement}, expected <resource>=<value>`);
  const quantity = canonicalQuantity(value);
  if (quantity !== undefined) return [resource, quantity];
  throw new VerbError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}
