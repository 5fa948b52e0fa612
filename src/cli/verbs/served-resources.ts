/**
 * What the server serves, by all the names that a person may type: plural, singular, short name, kind, with a version and a
 * group behind them. Source: API concepts, "Aggregated discovery"; apimachinery, RESTMapper.
 */
import { pathSegment } from '#api/machinery/names.ts';
import type { ClusterApi } from './cluster-api.ts';
import { VerbError } from './verb-error.ts';

export interface ServedResource {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  isNamespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  verbs: readonly string[];
  subresources: readonly string[];
}

interface Discovered {
  resource: string;
  scope?: string;
  singularResource?: string;
  responseKind?: { group?: string; version?: string; kind?: string };
  shortNames?: string[];
  categories?: string[];
  verbs?: string[];
  subresources?: { subresource: string }[];
}

interface Discovery {
  items?: { metadata?: { name?: string }; versions?: { version: string; resources?: Discovered[] }[] }[];
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';

export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group ? `${group}/${version}` : version;

/** `pods`, `deployments.apps`: how messages name a resource. */
export const groupResourceOf = ({ group, plural }: { group: string; plural: string }): string =>
  group ? `${plural}.${group}` : plural;

/** `pod`, `deployment.apps`: how results name an object's kind. */
export const printedKindOf = ({ group, kind }: { group: string; kind: string }): string =>
  (group ? `${kind}.${group}` : kind).toLowerCase();

export class ServedResources {
  /** In the order of discovery: the core group first, each group's preferred version first. */
  readonly all: readonly ServedResource[];

  constructor(all: readonly ServedResource[]) {
    this.all = all;
  }

  static async of(api: ClusterApi): Promise<ServedResources> {
    const documents = await Promise.all(
      ['/api', '/apis'].map((path) => api.request({ method: 'GET', path, accept: AGGREGATED })),
    );
    return new ServedResources(documents.flatMap(({ object }) => resourcesIn(object as Discovery)));
  }

  /** Throws VerbError when nothing by that name is served. `warn` is told of short names that could mean another one. */
  named(text: string, warn?: (text: string) => void): ServedResource {
    const found = this.find(text);
    if (found) {
      const others = this.all.filter(
        (each) => each.shortNames.includes(text) && groupResourceOf(each) !== groupResourceOf(found),
      );
      if (found.shortNames.includes(text))
        for (const name of new Set(others.map(groupResourceOf)))
          warn?.(`short name ${JSON.stringify(text)} could also match lower priority resource ${name}`);
      return found;
    }
    const [resource = ''] = text.split('.');
    throw new VerbError(`the server doesn't have a resource type ${JSON.stringify(resource)}`);
  }

  /** `pods`, `deployments.apps`, `deployments.v1.apps`, `Deployment.v1.apps`. */
  find(text: string): ServedResource | undefined {
    if (text === '') return undefined; // some kinds have no singular
    const [first = '', second, ...rest] = text.split('.');
    const name = first.toLowerCase();
    const called = this.all.filter((each) => isCalled(each, name));
    if (second === undefined) return called[0];
    const versioned = called.find(({ version, group }) => version === second && group === rest.join('.'));
    // `pods.v1.` is of version v1; without the last dot `v1` is a group.
    return (
      (rest.length > 0 ? versioned : undefined) ??
      called.find(({ group }) => isGroup(group, [second, ...rest].join('.')))
    );
  }

  /** By what stands in an object; undefined when it is not served. */
  ofKind(apiVersion: string, kind: string): ServedResource | undefined {
    return this.all.find((each) => each.kind === kind && apiVersionOf(each) === apiVersion);
  }

  /** What `all` and other categories stand for; undefined when it is no category. */
  inCategory(name: string): readonly ServedResource[] | undefined {
    const found = this.all.filter(({ categories }) => categories.includes(name));
    const seen = new Set<string>();
    const once = found.filter((each) => !seen.has(groupResourceOf(each)) && seen.add(groupResourceOf(each)));
    return once.length > 0 ? once : undefined;
  }
}

const isCalled = ({ plural, singular, shortNames, kind }: ServedResource, name: string): boolean =>
  plural === name || singular === name || shortNames.includes(name) || kind.toLowerCase() === name;

/** A group may be shortened to its first part: `deployments.apps`, `ingresses.networking`. */
const isGroup = (group: string, text: string): boolean => group === text || group.startsWith(`${text}.`);

const resourcesIn = ({ items = [] }: Discovery): ServedResource[] =>
  items.flatMap(({ metadata, versions = [] }) =>
    versions.flatMap(({ version, resources = [] }) =>
      resources.map((each) => servedResource(each, metadata?.name ?? '', version)),
    ),
  );

const servedResource = (found: Discovered, group: string, version: string): ServedResource => ({
  group,
  version,
  plural: found.resource,
  singular: found.singularResource ?? '',
  kind: found.responseKind?.kind ?? '',
  isNamespaced: found.scope === 'Namespaced',
  shortNames: found.shortNames ?? [],
  categories: found.categories ?? [],
  verbs: found.verbs ?? [],
  subresources: (found.subresources ?? []).map(({ subresource }) => subresource),
});

export interface PathOptions {
  namespace?: string | undefined;
  name?: string | undefined;
  subresource?: string | undefined;
  query?: Readonly<Record<string, string | number | undefined>>;
}

/**
 * A path of the API; query parameters that are empty or undefined are left out. Throws VerbError for a name whose path would
 * be that of something else: an empty one is that of all objects of the kind, `..` that of their namespace.
 */
export function pathOf(resource: ServedResource, { namespace, name, subresource, query = {} }: PathOptions): string {
  if (name === '') throw new VerbError('resource name may not be empty');
  const { group, version, plural, isNamespaced } = resource;
  if (isNamespaced) refuseNoSegment(namespace, 'namespace');
  refuseNoSegment(name, 'resource name');
  const parts = [
    group ? `/apis/${group}/${version}` : `/api/${version}`,
    ...(isNamespaced && namespace ? ['namespaces', encodeURIComponent(namespace)] : []),
    plural,
    ...(name ? [encodeURIComponent(name)] : []),
    ...(subresource ? subresource.split('/') : []),
  ];
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(set.map(([key, value]): [string, string] => [key, String(value)])).toString();
  return search ? `${parts.join('/')}?${search}` : parts.join('/');
}

function refuseNoSegment(value = '', what: string): void {
  const complaints = pathSegment(value);
  if (complaints.length > 0) throw new VerbError(`invalid ${what} ${JSON.stringify(value)}: [${complaints.join(' ')}]`);
}
