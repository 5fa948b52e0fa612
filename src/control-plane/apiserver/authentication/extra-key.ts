/** Keys of a user's extra: names with a domain before them, such as `example.com/scopes`. */
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { dns1123Subdomain, patternComplaint } from '#api/machinery/names.ts';

/** They come as part of a header's name, percent-encoded; one that is not well encoded is taken as it is. */
export function decodedExtraKey(encoded: string): string {
  if (!encoded.includes('%')) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    if (error instanceof URIError) return encoded;
    throw error;
  }
}

const PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const WHOLE_PATH = new RegExp(`^${PATH}$`);

export function validateExtraKey(key: string, at: { toString(): string }): FieldError[] {
  if (key === '') return [requiredValue(at)];
  const slash = key.indexOf('/');
  if (slash <= 0 || slash === key.length - 1)
    return [invalidValue(at, key, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const [domain, path] = [key.slice(0, slash), key.slice(slash + 1)];
  const errors = dns1123Subdomain(domain).map((text) => invalidValue(at, domain, text));
  if (!WHOLE_PATH.test(path)) errors.push(invalidValue(at, path, patternComplaint('Invalid path', PATH)));
  return errors;
}
