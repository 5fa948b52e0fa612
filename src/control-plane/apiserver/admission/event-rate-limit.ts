/**
 * Who floods the cluster with Events is told to wait: by server, by namespace, by user, or by what the Event is about. Off
 * unless asked for. Source: documentation, EventRateLimit.
 */
import type { Event } from '#api/core/v1/event.ts';
import { tooManyRequests } from '#api/machinery/status.ts';
import { TokenBucket } from '#base/token-bucket.ts';
import { type AdmissionPlugin, type AdmissionRequest, defineAdmission } from './define-admission.ts';

export type LimitType = 'Server' | 'Namespace' | 'User' | 'SourceAndObject';

export interface EventLimit {
  type: LimitType;
  /** A second. */
  qps: number;
  /** How many at once. */
  burst: number;
  /** How many keys are remembered; the ones not seen for longest are forgotten. */
  cacheSize?: number;
}

const DEFAULT_CACHE_SIZE = 4096;

const KEYS: Readonly<Record<LimitType, (request: AdmissionRequest) => string>> = {
  Server: () => '',
  Namespace: ({ namespace }) => namespace,
  User: ({ user }) => user.name,
  SourceAndObject({ object }) {
    const { source, involvedObject: about } = object as Event;
    const parts = [source?.component, source?.host, about?.kind, about?.namespace, about?.name, about?.uid];
    return [...parts, about?.apiVersion].map((part) => part ?? '').join('');
  },
};

export const eventRateLimit = (limits: readonly EventLimit[]): AdmissionPlugin => {
  const enforcers = limits.map((limit) => ({ limit, buckets: new Buckets(limit) }));
  return defineAdmission({
    name: 'EventRateLimit',
    on: {
      resources: [
        { group: '', plural: 'events' },
        { group: 'events.k8s.io', plural: 'events' },
      ],
      verbs: ['create', 'update'],
    },
    validate(request, { clock }) {
      if (request.dryRun) return;
      const refusals = enforcers.flatMap(({ limit, buckets }) => {
        const key = KEYS[limit.type](request);
        return buckets.take(key, clock.monotonicMs()) ? [] : [`limit reached on type ${limit.type} for key ${key}`];
      });
      if (refusals.length > 0)
        throw tooManyRequests(refusals.length === 1 ? refusals[0]! : `[${refusals.join(', ')}]`, 0);
    },
  });
};

class Buckets {
  readonly #limit: EventLimit;
  readonly #byKey = new Map<string, TokenBucket>();

  constructor(limit: EventLimit) {
    this.#limit = limit;
  }

  take(key: string, nowMs: number): boolean {
    const { qps, burst, cacheSize = DEFAULT_CACHE_SIZE } = this.#limit;
    const bucket = this.#byKey.get(key) ?? new TokenBucket({ perSecond: qps, burst }, nowMs);
    this.#byKey.delete(key); // and to the end: what was seen last is forgotten last
    this.#byKey.set(key, bucket);
    if (this.#byKey.size > (cacheSize || DEFAULT_CACHE_SIZE)) this.#byKey.delete(this.#byKey.keys().next().value!);
    return bucket.take(nowMs);
  }
}
