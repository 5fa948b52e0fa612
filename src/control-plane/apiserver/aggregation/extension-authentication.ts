/**
 * What an API server of somebody else needs in order to believe this one: the ConfigMap
 * kube-system/extension-apiserver-authentication. Source: "Configure the Aggregation Layer"; upstream's
 * clusterauthenticationtrust controller.
 */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';
import { EXTRA_PREFIX, GROUP_HEADER, UID_HEADER, USER_HEADER } from './front-proxy-headers.ts';

/** The common name of the certificate with which an API server shows that it is one. */
export const FRONT_PROXY_USER = 'front-proxy-client';

export interface TrustedAuthorities {
  /** PEM: who signs the certificates of clients. */
  client: string;
  /** PEM: who signs the front proxy's. */
  frontProxy: string;
}

const AT = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

/** Written anew at each start; what others put beside it stays. */
export async function ensureExtensionAuthentication(client: Client, authorities: TrustedAuthorities): Promise<void> {
  const data = {
    'client-ca-file': authorities.client,
    'requestheader-allowed-names': JSON.stringify([FRONT_PROXY_USER]),
    'requestheader-client-ca-file': authorities.frontProxy,
    'requestheader-extra-headers-prefix': JSON.stringify([EXTRA_PREFIX]),
    'requestheader-group-headers': JSON.stringify([GROUP_HEADER]),
    'requestheader-uid-headers': JSON.stringify([UID_HEADER]),
    'requestheader-username-headers': JSON.stringify([USER_HEADER]),
  };
  const there = await found(client);
  if (!there) {
    await client.create(ConfigMap, { metadata: AT, data });
    return;
  }
  const wanted = { ...there, data: { ...there.data, ...data } };
  if (!isEqual(there, wanted)) await client.update(ConfigMap, wanted);
}

async function found(client: Client): Promise<ConfigMap | undefined> {
  try {
    return await client.get(ConfigMap, AT);
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}
