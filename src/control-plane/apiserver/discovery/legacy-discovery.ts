/** The documents of unaggregated discovery: `/api`, `/apis`, `/apis/<group>`, `/api/v1`, `/apis/<group>/<version>`. */
import { createHash } from 'node:crypto';
import type { Kind } from '#api/machinery/kind.ts';
import type { GroupVersions } from './group-priority.ts';

export interface ApiResource {
  name: string;
  singularName: string;
  namespaced: boolean;
  /** Where the body is of another group or version than the resource: Scale, Eviction, TokenRequest. */
  group?: string;
  version?: string;
  kind: string;
  verbs: readonly string[];
  shortNames?: readonly string[];
  categories?: readonly string[];
  storageVersionHash?: string;
}

export function apiVersions(serverAddress: string): object {
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
}

export const apiGroupList = (groups: readonly GroupVersions[]): object => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: groups.filter(({ group }) => group !== '').map(groupEntry),
});

export const apiGroup = (group: GroupVersions): object => ({
  kind: 'APIGroup',
  apiVersion: 'v1',
  ...groupEntry(group),
});

function groupEntry({ group, versions }: GroupVersions) {
  const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: entries, preferredVersion: entries[0] };
}

/** `kinds` are those of one group and version. */
export function apiResourceList(group: string, version: string, kinds: readonly Kind[]): object {
  const resources = kinds.flatMap(resourcesOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    kind: 'APIResourceList',
    ...(group && { apiVersion: 'v1' }),
    groupVersion: group ? `${group}/${version}` : version,
    resources,
  };
}

function resourcesOf(kind: Kind): ApiResource[] {
  const namespaced = kind.scope === 'Namespaced';
  const main: ApiResource = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced,
    kind: kind.kind,
    verbs: inOrder(kind.verbs),
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(!kind.virtual && { storageVersionHash: storageVersionHash(kind) }),
  };
  const subresources = kind.subresources.map(({ name, serves, verbs }): ApiResource => {
    const isOther = serves && (serves.group !== kind.group || serves.version !== kind.version);
    return {
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced,
      ...(isOther && { group: serves.group, version: serves.version }),
      kind: serves?.kind ?? kind.kind,
      verbs: inOrder(verbs),
    };
  });
  return [main, ...subresources];
}

export const inOrder = (verbs: readonly string[]): string[] => [...verbs].sort();

/** Changes when objects are stored in another version, so that a client knows to migrate them. */
function storageVersionHash(kind: Kind): string {
  const { group, version, kind: name } = kind.hub?.kind ?? kind;
  return createHash('sha256').update(`${group}/${version}/${name}`).digest().subarray(0, 8).toString('base64');
}
