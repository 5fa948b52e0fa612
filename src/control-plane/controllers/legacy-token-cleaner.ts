/**
 * Removes tokens that were made for ServiceAccounts by old versions, stand in Secrets, and were not used for a year: first
 * they are marked invalid, so that whoever misses them can have them back, and a year later they go. Source:
 * documentation, "Legacy ServiceAccount token cleaner".
 */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { secretNamesOf } from '#api/core/v1/pod-references.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { again, defineController, settled, watching } from './define-controller.ts';

const TRACKING = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };
const TYPE = 'kubernetes.io/service-account-token';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';
const DAY_MS = 24 * 3_600_000;
const UNUSED_MS = 365 * DAY_MS;

export const legacyTokenCleaner = defineController({
  name: 'legacy-serviceaccount-token-cleaner-controller',
  serviceAccount: 'legacy-service-account-token-cleaner',
  reconciles: Secret,
  // Nothing here is urgent: each token is looked at once a day.
  watches: [
    { ...watching(ConfigMap, () => []), fieldSelector: `metadata.name=${TRACKING.name}` },
    watching(ServiceAccount, () => []),
    watching(Pod, () => []),
  ],
  writes: { patch: [Secret], delete: [Secret] },
  workers: 1,

  async reconcile(secret, { cached, api, clock }) {
    if (secret.type !== TYPE || secret.metadata.deletionTimestamp) return settled;
    const { name, namespace = '', uid, annotations } = secret.metadata;
    const nowMs = clock.now();
    const fate = fateOf(secret, {
      trackedSince: cached(ConfigMap).get(`${TRACKING.namespace}/${TRACKING.name}`)?.data?.['since'],
      account: cached(ServiceAccount).get(`${namespace}/${annotations?.[NAME] ?? ''}`),
      pods: () => cached(Pod).inNamespace(namespace),
      nowMs,
    });
    if (fate === 'delete') {
      await api.delete(Secret, secret);
      return settled;
    }
    if (fate === 'mark') {
      const patch = { metadata: { uid, labels: { [INVALID_SINCE]: dayOf(nowMs) } } };
      await api.patch(Secret, { namespace, name }, { type: 'merge', patch });
    }
    return again({ afterMs: DAY_MS });
  },
});

export interface Surroundings {
  /** The day from which on uses are noted. */
  trackedSince: string | undefined;
  account: ServiceAccount | undefined;
  /** Those of the Secret's namespace. */
  pods(): readonly Pod[];
  nowMs: number;
}

/** What is to become of a token. */
export function fateOf(
  secret: Secret,
  { trackedSince, account, pods, nowMs }: Surroundings,
): 'keep' | 'mark' | 'delete' {
  // From the day after it began; false when that is no date.
  const isTracked = nowMs >= Date.parse(trackedSince ?? '') + DAY_MS + UNUSED_MS;
  if (!isTracked || !isUnused(secret, nowMs) || !isGeneratedFor(account, secret)) return 'keep';
  if (pods().some((pod) => secretNamesOf(pod).includes(secret.metadata.name))) return 'keep';
  const invalidSince = secret.metadata.labels?.[INVALID_SINCE];
  if (!isDay(invalidSince)) return 'mark';
  return invalidSince < dayOf(nowMs - UNUSED_MS) ? 'delete' : 'keep';
}

/** One that never was used counts from its creation. What was noted wrongly is left alone. */
function isUnused({ metadata }: Secret, nowMs: number): boolean {
  if (!(Date.parse(metadata.creationTimestamp ?? '') < nowMs - UNUSED_MS)) return false;
  const lastUsed = metadata.labels?.[LAST_USED];
  return lastUsed === undefined || (isDay(lastUsed) && lastUsed < dayOf(nowMs - UNUSED_MS));
}

/** Made by a controller of old: only those are named by their account. */
function isGeneratedFor(account: ServiceAccount | undefined, { metadata }: Secret): boolean {
  const uid = metadata.annotations?.[UID];
  if (!account || (uid && uid !== account.metadata.uid)) return false;
  return account.secrets?.some((ref) => ref.name === metadata.name) ?? false;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const isDay = (text: string | undefined): text is string =>
  text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
