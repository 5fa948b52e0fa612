/** From a request's path to what it is about. Source: OCI distribution specification 1.1, "Endpoints". */
import { checkedRepository } from './names.ts';
import { RegistryError } from './registry-error.ts';

export type Route =
  | { what: 'base' | 'catalog' }
  | { what: 'uploads' | 'tags'; repository: string }
  /** `item`: as it stands in the path; not yet checked. */
  | { what: 'upload' | 'blob' | 'manifest' | 'referrers'; repository: string; item: string };

const ROUTES: readonly [RegExp, Exclude<Route['what'], 'base' | 'catalog'>][] = [
  [/^\/v2\/(.+)\/blobs\/uploads\/?$/, 'uploads'],
  [/^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/, 'upload'],
  [/^\/v2\/(.+)\/blobs\/([^/]+)$/, 'blob'],
  [/^\/v2\/(.+)\/manifests\/([^/]+)$/, 'manifest'],
  [/^\/v2\/(.+)\/tags\/list$/, 'tags'],
  [/^\/v2\/(.+)\/referrers\/([^/]+)$/, 'referrers'],
];

/** undefined: no path of a registry. Throws RegistryError for a name that is none. */
export function routeOf(pathname: string): Route | undefined {
  if (pathname === '/v2/' || pathname === '/v2') return { what: 'base' };
  if (pathname === '/v2/_catalog') return { what: 'catalog' };
  const path = decoded(pathname);
  for (const [pattern, what] of ROUTES) {
    const [, name, item = ''] = pattern.exec(path) ?? [];
    if (name === undefined) continue;
    const repository = checkedRepository(name);
    return what === 'uploads' || what === 'tags' ? { what, repository } : { what, repository, item };
  }
  return undefined;
}

/** Clients may write a digest's colon as `%3A`. */
function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new RegistryError('NAME_INVALID', 'invalid repository name');
  }
}
