/**
 * What the API server says of itself, and of other API servers behind it, under `/api` and `/apis`: made on first request,
 * kept until something of it changes. Each document is the bytes to send and their ETag.
 */
import { createHash } from 'node:crypto';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { groupDiscoveryList } from './aggregated-discovery.ts';
import { type GroupVersions, groupsInOrder } from './group-priority.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from './legacy-discovery.ts';
import { NO_REMOTE_GROUPS, type RegisteredVersion, type RemoteGroups } from './remote-groups.ts';

/** `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`: the Content-Type of the aggregated documents. */
export const AGGREGATED_MEDIA_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export interface DiscoveryDocument {
  /** For another encoding than JSON. */
  content: object;
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
  /** `/api/v1` with group '', `/apis/<group>/<version>`; of other API servers these ask for themselves. */
  resources(group: string, version: string): DiscoveryDocument | undefined;
  /** `/api` and `/apis` for a client that accepts AGGREGATED_MEDIA_TYPE. */
  aggregated(root: 'api' | 'apis'): DiscoveryDocument;
}

export function createDiscovery(registry: KindRegistry, remote: RemoteGroups = NO_REMOTE_GROUPS): Discovery {
  const documents = new Map<string, DiscoveryDocument | undefined>();
  const generations = () => `${registry.generation} ${remote.generation}`;
  let generation = generations();

  const once = <T extends DiscoveryDocument | undefined>(name: string, make: () => T): T => {
    const now = generations();
    if (generation !== now) {
      documents.clear();
      generation = now;
    }
    if (!documents.has(name)) documents.set(name, make());
    return documents.get(name) as T;
  };
  const groups = () => inPlaceOf(registry, remote.registered());

  return {
    versions: (serverAddress) => documentOf(apiVersions(serverAddress)),
    groups: () => once('/apis', () => documentOf(apiGroupList(groups()))),
    group: (name) =>
      once(`/apis/${name}`, () => {
        const group = name === '' ? undefined : groups().find((one) => one.group === name);
        return group && documentOf(apiGroup(group));
      }),
    resources: (group, version) => {
      const kinds = kindsOf(registry, group, version);
      if (kinds.length === 0) return undefined;
      return once(`/${group}/${version}`, () => documentOf(apiResourceList(group, version, kinds)));
    },
    aggregated: (root) => once(`aggregated ${root}`, () => documentOf(aggregatedList(registry, remote, root))),
  };
}

function aggregatedList(registry: KindRegistry, remote: RemoteGroups, root: 'api' | 'apis'): object {
  const isOfRoot = ({ group }: GroupVersions) => (group === '') === (root === 'api');
  const described = remote.described();
  const groups = inPlaceOf(registry, described).filter(isOfRoot);
  return groupDiscoveryList(groups, (group, version) => ({
    kinds: kindsOf(registry, group, version),
    remote: described.find((one) => one.group === group && one.version === version),
  }));
}

/** What another server serves stands in the place of what this one would. */
function inPlaceOf(registry: KindRegistry, remote: readonly RegisteredVersion[]): GroupVersions[] {
  const isRemote = (kind: Kind) =>
    remote.some(({ group, version }) => group === kind.group && version === kind.version);
  return groupsInOrder([...servedKinds(registry).filter((kind) => remote.length === 0 || !isRemote(kind)), ...remote]);
}

/** Kinds without verbs are only the bodies of subresources. */
const servedKinds = (registry: KindRegistry): readonly Kind[] => registry.all().filter(({ verbs }) => verbs.length > 0);

const kindsOf = (registry: KindRegistry, group: string, version: string): readonly Kind[] =>
  servedKinds(registry).filter((kind) => kind.group === group && kind.version === version);

function documentOf(content: object): DiscoveryDocument {
  const body = Buffer.from(JSON.stringify(content));
  return { content, body, etag: `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"` };
}
