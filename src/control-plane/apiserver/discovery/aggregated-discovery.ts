/** Aggregated discovery: all groups with all their resources in one document. Source: apidiscovery.k8s.io/v2, KEP-3352. */
import type { Kind, Subresource } from '#api/machinery/kind.ts';
import type { GroupVersions } from './group-priority.ts';
import { inOrder } from './legacy-discovery.ts';
import type { RemoteVersion } from './remote-groups.ts';

export interface VersionContents {
  kinds: readonly Kind[];
  /** In place of the kinds: what another API server says. */
  remote?: RemoteVersion | undefined;
}

/** `groups` in the order of discovery; for `/api` the legacy group alone, for `/apis` all others. */
export function groupDiscoveryList(
  groups: readonly GroupVersions[],
  contentsOf: (group: string, version: string) => VersionContents,
): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group ? { name: group } : {},
      versions: versions.map((version) => versionOf(version, contentsOf(group, version))),
    })),
  };
}

function versionOf(version: string, { kinds, remote }: VersionContents) {
  if (!remote) {
    const resources = [...kinds].sort((a, b) => (a.plural < b.plural ? -1 : 1)).map(resourceOf);
    return { version, resources, freshness: 'Current' };
  }
  const { resources, isStale } = remote;
  if (isStale) return { version, freshness: 'Stale' }; // as if it had never been asked
  return { version, ...(resources.length > 0 && { resources }), freshness: 'Current' };
}

function resourceOf(kind: Kind) {
  const subresources = [...kind.subresources]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((subresource) => subresourceOf(kind, subresource));
  return {
    resource: kind.plural,
    responseKind: gvk(kind),
    scope: kind.scope === 'Namespaced' ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: inOrder(kind.verbs),
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories.length > 0 && { categories: kind.categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

const subresourceOf = (kind: Kind, { name, serves, verbs }: Subresource) => ({
  subresource: name,
  responseKind: gvk(serves ?? kind),
  verbs: inOrder(verbs),
});

const gvk = ({ group, version, kind }: { group: string; version: string; kind: string }) => ({ group, version, kind });
