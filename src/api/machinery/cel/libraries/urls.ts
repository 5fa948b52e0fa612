/** The parts of URLs: the URL library of Kubernetes. */
import * as cel from '../cel-type.ts';
import { NativeMap } from '../evaluate/native-map.ts';
import { type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import { CelError, List, Opaque, type Result, type Value } from '../value.ts';
import { nominal, textOfText } from './costs.ts';
import { hostnameOf, type ParsedUrl, parseUrl, portOf, queryOf } from './url-value.ts';

const { BOOL, STRING } = cel;
export const URL_TYPE = cel.objectNamed('kubernetes.URL');

class UrlValue extends Opaque {
  readonly url: ParsedUrl;
  constructor(url: ParsedUrl) {
    super();
    this.url = url;
  }
  get type() {
    return URL_TYPE;
  }
  equals(other: Value): boolean {
    return other instanceof UrlValue && other.url.text === this.url.text;
  }
  override toJson(): unknown {
    return this.url.text;
  }
}

function urlOf(text: string): Result {
  const { url, error } = parseUrl(text, { isReference: true });
  return url ? new UrlValue(url) : new CelError(`URL parse error during conversion from string: ${error}`);
}

function query({ url }: UrlValue): Result {
  const map = new NativeMap();
  for (const [key, values] of queryOf(url.query)) map.set(key, new List(values));
  return map;
}

const part = (name: string, id: string, of: (url: ParsedUrl) => string): FunctionDeclaration => ({
  name,
  overloads: [member(id, [URL_TYPE], STRING, ({ url }: UrlValue) => of(url))],
  ...nominal,
});

export const urls: Library = {
  name: 'kubernetes.urls',
  functions: [
    { name: 'url', overloads: [overload('string_to_url', [STRING], URL_TYPE, urlOf)], ...textOfText },
    {
      name: 'isURL',
      overloads: [overload('is_url_string', [STRING], BOOL, (text: string) => parseUrl(text).url !== undefined)],
    },
    part('getScheme', 'url_get_scheme', ({ scheme }) => scheme),
    part('getHost', 'url_get_host', ({ host }) => host),
    part('getHostname', 'url_get_hostname', ({ host }) => hostnameOf(host)),
    part('getPort', 'url_get_port', ({ host }) => portOf(host)),
    part('getEscapedPath', 'url_get_escaped_path', ({ escapedPath }) => escapedPath),
    {
      name: 'getQuery',
      overloads: [member('url_get_query', [URL_TYPE], cel.mapOf(STRING, cel.listOf(STRING)), query)],
      ...nominal,
    },
  ],
};
