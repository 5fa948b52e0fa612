/** A group and version that another API server serves, as its APIService says. */
import type { APIService } from '#api/apiregistration/v1/api-service.ts';
import type { RequestInfo } from '../request-info.ts';

export interface RemoteApi {
  /** Of the APIService: `v1beta1.metrics.k8s.io`. */
  name: string;
  group: string;
  version: string;
  service: { namespace: string; name: string; port: number };
  /** Base64 of PEM; '' for the authorities that this machine trusts. */
  caBundle: string;
  insecureSkipTLSVerify: boolean;
  isAvailable: boolean;
  groupPriority: number;
  versionPriority: number;
}

const PORT = 443;

/** undefined for one that this server serves itself. */
export function remoteApiOf({ metadata, spec, status }: APIService): RemoteApi | undefined {
  const { service } = spec;
  if (!service) return undefined;
  return {
    name: metadata.name,
    group: spec.group ?? '',
    version: spec.version ?? '',
    service: { namespace: service.namespace ?? '', name: service.name ?? '', port: service.port ?? PORT },
    caBundle: spec.caBundle ?? '',
    insecureSkipTLSVerify: spec.insecureSkipTLSVerify ?? false,
    isAvailable: status?.conditions?.some(({ type, status: is }) => type === 'Available' && is === 'True') ?? false,
    groupPriority: spec.groupPriorityMinimum,
    versionPriority: spec.versionPriority,
  };
}

/** The name under which its certificate must be valid. */
export const serverNameOf = ({ service: { namespace, name } }: RemoteApi): string => `${name}.${namespace}.svc`;

/** `/apis/<group>/<version>`: what every API server answers. */
export const rootOf = ({ group, version }: Pick<RemoteApi, 'group' | 'version'>): string =>
  group ? `/apis/${group}/${version}` : `/api/${version}`;

/** The group and version that a request is about, discovery of just them included. */
export function groupVersionOf(info: RequestInfo): { group: string; version: string } | undefined {
  if (info.isResource) return info;
  const [prefix, ...rest] = info.path.split('/').filter((segment) => segment !== '');
  if (prefix === 'api' && rest.length === 1) return { group: '', version: rest[0]! };
  if (prefix === 'apis' && rest.length === 2) return { group: rest[0]!, version: rest[1]! };
  return undefined;
}
