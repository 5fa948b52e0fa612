/**
 * What an API server of somebody else needs in order to believe this one: the ConfigMap
 * kube-system/extension-apiserver-authentication. Source: "Configure the Aggregation Layer"; upstream's
 * clusterauthenticationtrust controller.
 */
import { X509Certificate } from 'node:crypto';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { EXTRA_PREFIX, GROUP_HEADER, UID_HEADER, USER_HEADER } from './front-proxy-headers.ts';

/** The common name of the certificate with which an API server shows that it is one. */
export const FRONT_PROXY_USER = 'front-proxy-client';

export interface TrustedAuthorities {
  /** PEM: who signs the certificates of clients. */
  client: string;
  /** PEM: who signs the front proxy's. */
  frontProxy: string;
}

export interface ExtensionAuthenticationServices {
  client: Client;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

const AT = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const RETRY_MS = 1000;
/** Clocks differ by as much. */
const EXPIRY_SLACK_MS = 5 * 60_000;

/** Resolves when it is there. Whoever changes or deletes it afterwards finds it mended. */
export async function keepExtensionAuthentication(
  authorities: TrustedAuthorities,
  { client, informers, clock, log, signal }: ExtensionAuthenticationServices,
): Promise<void> {
  const ensure = () => ensureExtensionAuthentication(client, authorities, clock.now());
  await ensure();
  let last = Promise.resolve();
  const mend = (): void => {
    last = last.then(ensure).catch((error: unknown) => {
      if (signal.aborted) return;
      if (!hasReason(error, 'Conflict', 'AlreadyExists'))
        log.warn('what other API servers need to know of this one could not be kept', { error: String(error) });
      const timer = clock.timer(RETRY_MS, mend);
      signal.addEventListener('abort', () => timer.cancel(), { once: true });
    });
  };
  const { namespace, name } = AT;
  const stop = informers.for(ConfigMap, { namespace, fieldSelector: `metadata.name=${name}` }).onChange(mend);
  signal.addEventListener('abort', stop, { once: true });
}

async function ensureExtensionAuthentication(
  client: Client,
  authorities: TrustedAuthorities,
  nowMs: number,
): Promise<void> {
  const there = await found(client);
  const data = extensionAuthenticationData(there?.data ?? {}, authorities, nowMs);
  if (!there) {
    await client.create(ConfigMap, { metadata: AT, data });
    return;
  }
  if (!isEqual(there.data, data)) await client.update(ConfigMap, { ...there, data });
}

/** With what other API servers of the cluster have put there. Authorities that have expired are left out. */
export function extensionAuthenticationData(
  there: Readonly<Record<string, string>>,
  { client, frontProxy }: TrustedAuthorities,
  nowMs: number,
): Record<string, string> {
  const list = (key: string, own: string) => ({ [key]: JSON.stringify([...new Set([...listed(there[key]), own])]) });
  const bundle = (key: string, own: string) => ({ [key]: joined(`${there[key] ?? ''}\n${own}`, nowMs) });
  return {
    ...bundle('client-ca-file', client),
    ...list('requestheader-allowed-names', FRONT_PROXY_USER),
    ...bundle('requestheader-client-ca-file', frontProxy),
    ...list('requestheader-extra-headers-prefix', EXTRA_PREFIX),
    ...list('requestheader-group-headers', GROUP_HEADER),
    ...list('requestheader-uid-headers', UID_HEADER),
    ...list('requestheader-username-headers', USER_HEADER),
  };
}

/** Nothing of what cannot be read: it is written anew. */
function listed(text: string | undefined): string[] {
  try {
    const value: unknown = JSON.parse(text || '[]');
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Each certificate once, in their order. */
function joined(pem: string, nowMs: number): string {
  const certificates = new Map<string, string>();
  for (const [text] of pem.matchAll(CERTIFICATE)) {
    const certificate = certificateOf(text);
    if (certificate && Date.parse(certificate.validTo) > nowMs - EXPIRY_SLACK_MS)
      certificates.set(certificate.fingerprint256, certificate.toString());
  }
  return [...certificates.values()].join('');
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    if (error instanceof Error) return undefined; // OpenSSL's: it is none
    throw error;
  }
}

async function found(client: Client): Promise<ConfigMap | undefined> {
  try {
    return await client.get(ConfigMap, AT);
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}
