/**
 * What the API server says of itself under `/api` and `/apis`: made from the registry on first request, kept until the
 * registry changes. Each document is the bytes to send and their ETag.
 */
import { createHash } from 'node:crypto';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { groupDiscoveryList } from './aggregated-discovery.ts';
import { type GroupVersions, groupsInOrder } from './group-priority.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from './legacy-discovery.ts';

/** `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`: the Content-Type of the aggregated documents. */
export const AGGREGATED_MEDIA_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export interface DiscoveryDocument {
  /** JSON. */
  body: Buffer;
  /** With its quotes, for ETag and If-None-Match. */
  etag: string;
}

/** undefined where nothing is served: 404. */
export interface Discovery {
  /** `/api`; `serverAddress` is the host and port under which clients reach this server. */
  versions(serverAddress: string): DiscoveryDocument;
  /** `/apis` */
  groups(): DiscoveryDocument;
  /** `/apis/<group>` */
  group(group: string): DiscoveryDocument | undefined;
  /** `/api/v1` with group '', `/apis/<group>/<version>` */
  resources(group: string, version: string): DiscoveryDocument | undefined;
  /** `/api` and `/apis` for a client that accepts AGGREGATED_MEDIA_TYPE. */
  aggregated(root: 'api' | 'apis'): DiscoveryDocument;
}

export function createDiscovery(registry: KindRegistry): Discovery {
  const documents = new Map<string, DiscoveryDocument | undefined>();
  let generation = registry.generation;

  const once = <T extends DiscoveryDocument | undefined>(name: string, make: () => T): T => {
    if (generation !== registry.generation) {
      documents.clear();
      generation = registry.generation;
    }
    if (!documents.has(name)) documents.set(name, make());
    return documents.get(name) as T;
  };
  const groupNamed = (name: string) => groupsInOrder(servedKinds(registry)).find(({ group }) => group === name);

  return {
    versions: (serverAddress) => documentOf(apiVersions(serverAddress)),
    groups: () => once('/apis', () => documentOf(apiGroupList(groupsInOrder(servedKinds(registry))))),
    group: (name) => {
      const group = name === '' ? undefined : groupNamed(name);
      return group && once(`/apis/${name}`, () => documentOf(apiGroup(group)));
    },
    resources: (group, version) => {
      const kinds = kindsOf(registry, group, version);
      if (kinds.length === 0) return undefined;
      return once(`/${group}/${version}`, () => documentOf(apiResourceList(group, version, kinds)));
    },
    aggregated: (root) => once(`aggregated ${root}`, () => documentOf(aggregatedList(registry, root))),
  };
}

function aggregatedList(registry: KindRegistry, root: 'api' | 'apis'): object {
  const isOfRoot = ({ group }: GroupVersions) => (group === '') === (root === 'api');
  const groups = groupsInOrder(servedKinds(registry)).filter(isOfRoot);
  return groupDiscoveryList(groups, (group, version) => kindsOf(registry, group, version));
}

/** Kinds without verbs are only the bodies of subresources. */
const servedKinds = (registry: KindRegistry): readonly Kind[] => registry.all().filter(({ verbs }) => verbs.length > 0);

const kindsOf = (registry: KindRegistry, group: string, version: string): readonly Kind[] =>
  servedKinds(registry).filter((kind) => kind.group === group && kind.version === version);

function documentOf(content: object): DiscoveryDocument {
  const body = Buffer.from(JSON.stringify(content));
  return { body, etag: `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"` };
}
