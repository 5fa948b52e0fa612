/** A resource as discovery describes it, and as a kind that components of this process can use. Pure. */
import { defineKind } from '#api/machinery/define-kind.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import type { Kind, Verb } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';

interface ResponseKind {
  group: string;
  version: string;
  kind: string;
}

/** apidiscovery.k8s.io/v2 APIResourceDiscovery. */
export interface DiscoveredResource {
  resource: string;
  responseKind: ResponseKind;
  scope: 'Namespaced' | 'Cluster';
  singularResource: string;
  verbs: readonly string[];
  shortNames?: readonly string[];
  categories?: readonly string[];
  subresources?: readonly { subresource: string; responseKind: ResponseKind; verbs: readonly string[] }[];
}

type GroupVersion = { group: string; version: string };

/** It becomes a segment of paths. */
const IN_A_PATH = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/i;

/** Of one group and version of an APIGroupDiscoveryList. What is not as it should be is passed over. */
export function resourcesOfGroups(list: JsonObject, { group, version }: GroupVersion): DiscoveredResource[] {
  const found = objects(list['items']).find(
    ({ metadata }) => text(isJsonObject(metadata) && metadata['name']) === group,
  );
  const ofVersion = objects(found?.['versions']).find((one) => one['version'] === version);
  return objects(ofVersion?.['resources']).flatMap((one) => {
    const resource = text(one['resource']);
    if (!IN_A_PATH.test(resource)) return [];
    const subresources = objects(one['subresources']).map((sub) => ({
      subresource: text(sub['subresource']),
      responseKind: responseKind(sub['responseKind']),
      verbs: texts(sub['verbs']),
    }));
    return [
      {
        resource,
        responseKind: responseKind(one['responseKind']),
        scope: one['scope'] === 'Namespaced' ? ('Namespaced' as const) : ('Cluster' as const),
        singularResource: text(one['singularResource']),
        verbs: texts(one['verbs']),
        ...optional('shortNames', texts(one['shortNames'])),
        ...optional('categories', texts(one['categories'])),
        ...(subresources.length > 0 && { subresources }),
      },
    ];
  });
}

/** Of an APIResourceList, where subresources stand beside what they belong to. */
export function resourcesOfList(list: JsonObject, of: GroupVersion): DiscoveredResource[] {
  const all = objects(list['resources']).map((one) => ({ one, path: text(one['name']).split('/') }));
  const kindOf = (one: JsonObject): ResponseKind => ({
    group: one['group'] === undefined ? of.group : text(one['group']),
    version: one['version'] === undefined ? of.version : text(one['version']),
    kind: text(one['kind']),
  });
  return all
    .filter(({ path }) => path.length === 1 && IN_A_PATH.test(path[0]!))
    .map(({ one, path: [resource = ''] }) => {
      const subresources = all
        .filter(({ path }) => path.length === 2 && path[0] === resource)
        .map((sub) => ({
          subresource: sub.path[1]!,
          responseKind: kindOf(sub.one),
          verbs: texts(sub.one['verbs']),
        }));
      return {
        resource,
        responseKind: kindOf(one),
        scope: one['namespaced'] === true ? ('Namespaced' as const) : ('Cluster' as const),
        singularResource: text(one['singularName']),
        verbs: texts(one['verbs']),
        ...optional('shortNames', texts(one['shortNames'])),
        ...optional('categories', texts(one['categories'])),
        ...(subresources.length > 0 && { subresources }),
      };
    });
}

/** Enough of a kind to name, list, watch and delete its objects: nothing of them is known here. */
export const kindOfDiscovered = ({ group, version }: GroupVersion, resource: DiscoveredResource): Kind => ({
  ...defineKind<KubeObject>({
    group,
    version,
    kind: resource.responseKind.kind,
    plural: resource.resource,
    singular: resource.singularResource || resource.responseKind.kind.toLowerCase(),
    scope: resource.scope,
    verbs: resource.verbs as readonly Verb[],
    shortNames: resource.shortNames ?? [],
    categories: resource.categories ?? [],
    storagePrefix: `${group}/${resource.resource}`,
    subresources: (resource.subresources ?? []).map(({ subresource, verbs }) => ({
      name: subresource,
      verbs: verbs as readonly 'get'[],
    })),
  }),
  facts: undefined,
  servedElsewhere: true,
});

const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

function responseKind(value: Json | undefined): ResponseKind {
  const kind = isJsonObject(value) ? value : {};
  return { group: text(kind['group']), version: text(kind['version']), kind: text(kind['kind']) };
}

const optional = <K extends string>(name: K, values: readonly string[]) =>
  (values.length > 0 ? { [name]: values } : {}) as Partial<Record<K, readonly string[]>>;
