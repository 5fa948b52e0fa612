/** Where a webhook may be. Texts as upstream's apiserver/pkg/util/webhook, validation.go. */
import { type FieldError, invalidValue, requiredValue } from './field-error.ts';
import { dns1123Subdomain, portNumber } from './names.ts';

type At = { toString(): string };

const FORM = '; desired format: https://host[/path]';
/** RFC 3986, appendix B. */
const URL_PARTS =
  /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/(?:([^@/?#]*)@)?([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

export function validateWebhookUrl(url: string, at: At): FieldError[] {
  const parts = URL_PARTS.exec(url);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an address must not hold them
  if (!parts || /[\u0000-\u001f\u007f ]/.test(url))
    return [requiredValue(at, `url must be a valid URL: parse ${JSON.stringify(url)}: invalid URL${FORM}`)];
  const [, scheme = '', user, host = '', , query, fragment] = parts;
  const errors: FieldError[] = [];
  if (scheme.toLowerCase() !== 'https')
    errors.push(invalidValue(at, scheme, `'https' is the only allowed URL scheme${FORM}`));
  if (!host) errors.push(invalidValue(at, '', `host must be specified${FORM}`));
  if (user !== undefined) errors.push(invalidValue(at, user, 'user information is not permitted in the URL'));
  if (fragment) errors.push(invalidValue(at, fragment, 'fragments are not permitted in the URL'));
  if (query) errors.push(invalidValue(at, query, 'query parameters are not permitted in the URL'));
  return errors;
}

export interface WebhookService {
  namespace?: string;
  name?: string;
  path?: string;
  port?: number;
}

export function validateWebhookService({ namespace, name, path, port = 443 }: WebhookService, at: At): FieldError[] {
  return [
    ...(name ? [] : [requiredValue(`${at}.name`)]),
    ...(namespace ? [] : [requiredValue(`${at}.name`)]), // as upstream names it
    ...portNumber(port).map((text) => invalidValue(`${at}.port`, port, `port is not valid: ${text}`)),
    ...validatePath(path ?? '', `${at}.path`),
  ];
}

function validatePath(path: string, at: string): FieldError[] {
  if (path === '' || path === '/') return [];
  if (path === '//') return [invalidValue(at, path, 'segment[0] may not be empty')];
  const start = path.startsWith('/') ? [] : [invalidValue(at, path, "must start with a '/'")];
  const segments = path.slice(1).replace(/\/$/, '').split('/');
  return [
    ...start,
    ...segments.flatMap((segment, index) =>
      segment === ''
        ? [invalidValue(at, path, `segment[${index}] may not be empty`)]
        : dns1123Subdomain(segment).map((text) => invalidValue(at, path, `segment[${index}]: ${text}`)),
    ),
  ];
}
