/**
 * URLs as Go's net/url reads them: an absolute one, or a path from the root; no fragment is split off while it is checked.
 * Source: RFC 3986; Go's messages.
 */

export interface ParsedUrl {
  readonly scheme: string;
  /** With the port. */
  readonly host: string;
  readonly escapedPath: string;
  readonly query: string;
  readonly text: string;
}

export type UrlResult =
  | { readonly url: ParsedUrl; readonly error?: undefined }
  | { readonly url?: undefined; readonly error: string };

const failed = (text: string, why: string): UrlResult => ({ error: `parse ${JSON.stringify(text)}: ${why}` });

export function parseUrl(text: string): UrlResult {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a URL must not have
  if (/[\u0000-\u001f\u007f]/.test(text)) return failed(text, 'net/url: invalid control character in URL');
  if (text === '') return failed(text, 'empty url');
  const { scheme, rest, error } = splitScheme(text);
  if (error !== undefined) return failed(text, error);
  const question = rest.indexOf('?');
  const hierarchy = question < 0 ? rest : rest.slice(0, question);
  const query = question < 0 ? '' : rest.slice(question + 1).replace(/#.*$/s, '');
  if (!hierarchy.startsWith('/')) {
    if (scheme === '') return failed(text, 'invalid URI for request');
    return { url: { scheme, host: '', escapedPath: '', query, text } };
  }
  return withAuthority(text, { scheme, hierarchy, query });
}

interface Parts {
  scheme: string;
  hierarchy: string;
  query: string;
}

function splitScheme(text: string): { scheme: string; rest: string; error?: string } {
  const found = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text);
  if (found) return { scheme: found[1]!.toLowerCase(), rest: text.slice(found[0].length) };
  if (text.startsWith(':')) return { scheme: '', rest: text, error: 'missing protocol scheme' };
  return { scheme: '', rest: text };
}

function withAuthority(text: string, { scheme, hierarchy, query }: Parts): UrlResult {
  const hasAuthority = hierarchy.startsWith('//') && (scheme !== '' || !hierarchy.startsWith('///'));
  const [, authority = '', path = ''] = hasAuthority ? /^\/\/([^/]*)(.*)$/s.exec(hierarchy)! : ['', '', hierarchy];
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  const error = whyNoHost(host) ?? whyNoEscape(path) ?? (at >= 0 ? whyNoUser(authority.slice(0, at)) : undefined);
  if (error !== undefined) return failed(text, error);
  return {
    url: { scheme, host: withoutEscapes(host), escapedPath: escapedPath(path.replace(/#.*$/s, '')), query, text },
  };
}

const withoutEscapes = (host: string): string => host.replace(/%25/g, '%');

function whyNoUser(user: string): string | undefined {
  return /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user) ? undefined : 'net/url: invalid userinfo';
}

function whyNoHost(host: string): string | undefined {
  const bracket = host.startsWith('[') ? host.lastIndexOf(']') : 0;
  if (bracket < 0) return "missing ']' in host";
  const rest = host.slice(bracket > 0 ? bracket + 1 : 0);
  const colon = bracket > 0 ? rest : rest.includes(':') ? rest.slice(rest.lastIndexOf(':')) : '';
  if (!/^(:\d*)?$/.test(colon)) return `invalid port ${JSON.stringify(colon)} after host`;
  const bad = /[ "#<>\\^`{|}]/.exec(host);
  if (bad) return `invalid character ${JSON.stringify(bad[0])} in host name`;
  return whyNoEscape(host);
}

const whyNoEscape = (text: string): string | undefined => {
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(text);
  return bad ? `invalid URL escape ${JSON.stringify(bad[0])}` : undefined;
};

/** As it was written where that is a good way to write it. */
function escapedPath(path: string): string {
  if (/^[A-Za-z0-9\-._~!$&'()*+,;=:@/[\]%]*$/.test(path)) return path;
  return encodeURI(decoded(path)).replaceAll('%5B', '[').replaceAll('%5D', ']').replaceAll('?', '%3F');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

export const hostnameOf = (host: string): string => {
  const bracketed = /^\[(.*)\]/.exec(host);
  return bracketed ? bracketed[1]! : host.replace(/:\d*$/, '');
};

export const portOf = (host: string): string => /:(\d*)$/.exec(host.replace(/^\[.*\]/, ''))?.[1] ?? '';

/** In the order in which the keys first stand; what cannot be read is left out. */
export function queryOf(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';') || whyNoEscape(pair) !== undefined) continue;
    const equals = pair.indexOf('=');
    const key = plusDecoded(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : plusDecoded(pair.slice(equals + 1));
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return values;
}

const plusDecoded = (text: string): string => decoded(text.replaceAll('+', ' '));
