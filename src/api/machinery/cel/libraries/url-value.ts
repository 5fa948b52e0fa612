/**
 * URLs as Go's net/url reads them: an absolute one, or a path from the root; no fragment is split off while it is checked.
 * Source: RFC 3986; Go's messages.
 */
import { parseIp } from '../../ip.ts';
import { whyNoIp } from './ip-problem.ts';

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

const failed = (text: string, why: string): UrlResult => ({ error: `parse ${goQuoted(text)}: ${why}` });

/** As Go's `%q` writes what JSON writes otherwise. */
const goQuoted = (text: string): string =>
  JSON.stringify(text)
    .replaceAll('\\u0007', '\\a')
    .replaceAll('\\u000b', '\\v')
    .replace(/\\u00([01][0-9a-f])/g, '\\x$1')
    .replaceAll('\u007f', '\\x7f');

/** What the address of a request may be; of a reference as well when it is one, which may begin with a host. */
export function parseUrl(text: string, { isReference = false } = {}): UrlResult {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a URL must not have
  if (/[\u0000-\u001f\u007f]/.test(text)) return failed(text, 'net/url: invalid control character in URL');
  if (text === '') return failed(text, 'empty url');
  if (text === '*') return { url: { scheme: '', host: '', escapedPath: '*', query: '', text } };
  const { scheme, rest, error } = splitScheme(text);
  if (error !== undefined) return failed(text, error);
  const question = rest.indexOf('?');
  const hierarchy = question < 0 ? rest : rest.slice(0, question);
  const query = question < 0 ? '' : rest.slice(question + 1).replace(/#.*$/s, '');
  if (!hierarchy.startsWith('/')) {
    if (scheme === '') return failed(text, 'invalid URI for request');
    return { url: { scheme, host: '', escapedPath: '', query, text } };
  }
  return withAuthority(text, { scheme, hierarchy, query, isReference });
}

interface Parts {
  scheme: string;
  hierarchy: string;
  query: string;
  isReference: boolean;
}

function splitScheme(text: string): { scheme: string; rest: string; error?: string } {
  const found = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text);
  if (found) return { scheme: found[1]!.toLowerCase(), rest: text.slice(found[0].length) };
  if (text.startsWith(':')) return { scheme: '', rest: text, error: 'missing protocol scheme' };
  return { scheme: '', rest: text };
}

function withAuthority(text: string, { scheme, hierarchy, query, isReference }: Parts): UrlResult {
  const hasAuthority = hierarchy.startsWith('//') && (scheme !== '' || (isReference && !hierarchy.startsWith('///')));
  const [, authority = '', path = ''] = hasAuthority ? /^\/\/([^/]*)(.*)$/s.exec(hierarchy)! : ['', '', hierarchy];
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  const error =
    whyNoHost(host, scheme) ?? (at >= 0 ? whyNoUser(authority.slice(0, at)) : undefined) ?? whyNoEscape(path);
  if (error !== undefined) return failed(text, error);
  return {
    url: { scheme, host: withoutEscapes(host), escapedPath: escapedPath(path.replace(/#.*$/s, '')), query, text },
  };
}

/** In a host only bytes beyond ASCII, and the sign that begins a zone, may be written so. */
const withoutEscapes = (host: string): string => decoded(host);

function whyNoUser(user: string): string | undefined {
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user)) return 'net/url: invalid userinfo';
  return whyNoEscape(user.split(':', 1)[0]!) ?? whyNoEscape(user);
}

function whyNoHost(host: string, scheme: string): string | undefined {
  const open = host.lastIndexOf('[');
  if (open > 0) return 'invalid IP-literal';
  if (open === 0) return whyNoLiteral(host);
  // Some databases list their hosts, each with a port.
  const colon = scheme === 'http' || scheme === 'https' ? host.indexOf(':') : host.lastIndexOf(':');
  return (colon < 0 ? undefined : whyNoPort(host.slice(colon))) ?? whyNoHostPart(host);
}

const whyNoPort = (port: string): string | undefined =>
  /^(:\d*)?$/.test(port) ? undefined : `invalid port ${goQuoted(port)} after host`;

/** `[fe80::1%25en0]:80` */
function whyNoLiteral(host: string): string | undefined {
  const close = host.lastIndexOf(']');
  if (close < 0) return "missing ']' in host";
  const inside = host.slice(1, close);
  const zone = inside.indexOf('%25');
  const error =
    whyNoPort(host.slice(close + 1)) ??
    whyNoHostPart(zone < 0 ? inside : inside.slice(0, zone)) ??
    (zone < 0 ? undefined : whyNoZone(inside.slice(zone)));
  if (error !== undefined) return error;
  const address = decoded(inside);
  const withoutZone = zone > 0 && zone + 3 < inside.length ? inside.slice(0, zone) : address;
  const bytes = parseIp(withoutZone);
  if (!bytes || (zone >= 0 && bytes.length === 4)) return `invalid host: ${whyNoIp(address)}`;
  return bytes.length === 4 ? 'invalid IP-literal' : undefined;
}

/** What may stand in a host as it is. */
const HOST = /[A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"\u0080-\uffff]/;

function whyNoHostPart(host: string): string | undefined {
  for (let at = 0; at < host.length; at++) {
    if (host[at] === '%') {
      const error = whyNoEscape(host.slice(at, at + 3));
      if (error !== undefined) return error;
      if (/[0-7]/.test(host[at + 1]!) && host.slice(at, at + 3) !== '%25') return badEscape(host.slice(at, at + 3));
      at += 2;
    } else if (!HOST.test(host[at]!)) return `invalid character ${goQuoted(host[at]!)} in host name`;
  }
  return undefined;
}

function whyNoZone(zone: string): string | undefined {
  for (let at = 0; at < zone.length; at++) {
    if (zone[at] === '%') {
      const coded = zone.slice(at, at + 3);
      const error = whyNoEscape(coded);
      if (error !== undefined) return error;
      const code = Number.parseInt(coded.slice(1), 16);
      if (coded !== '%25' && code !== 32 && (code > 127 || !HOST.test(String.fromCharCode(code))))
        return badEscape(coded);
      at += 2;
    } else if (!HOST.test(zone[at]!)) return `invalid character ${goQuoted(zone[at]!)} in host name`;
  }
  return undefined;
}

const badEscape = (code: string): string => `invalid URL escape ${goQuoted(code)}`;

const whyNoEscape = (text: string): string | undefined => {
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(text);
  return bad ? badEscape(bad[0]) : undefined;
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
