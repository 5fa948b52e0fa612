/** Names of signers: a domain and a path, `example.com/signer-name`. Texts as upstream's. */
import { type FieldError, invalidValue, requiredValue, tooLong } from '#api/machinery/field-error.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';

const MAX_DOMAIN = 253;
const MAX_NAME = MAX_DOMAIN + 1 + 253 + 1 + 63;

export function validateSignerName(name: string, at: { toString(): string }): FieldError[] {
  if (!name) return [requiredValue(at)];
  const [domain = '', path, ...more] = name.split('/');
  if (path === undefined || more.length > 0)
    return [invalidValue(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")];
  const errors: FieldError[] = domain.length > MAX_DOMAIN ? [tooLong(at, MAX_DOMAIN)] : [];
  const labels = domain.split('.');
  errors.push(...firstBadLabel(labels, domain, dns1123Label, at));
  if (labels.length < 2)
    errors.push(invalidValue(at, domain, 'should be a domain with at least two segments separated by dots'));
  errors.push(...firstBadLabel(path.split('.'), path, dns1123Subdomain, at));
  if (name.length > MAX_NAME) errors.push(tooLong(at, MAX_NAME));
  return errors;
}

function firstBadLabel(
  labels: readonly string[],
  whole: string,
  rule: (label: string) => string[],
  at: { toString(): string },
): FieldError[] {
  for (const label of labels) {
    const complaints = rule(label);
    if (complaints.length > 0)
      return complaints.map((text) => invalidValue(at, whole, `validating label ${JSON.stringify(label)}: ${text}`));
  }
  return [];
}
