/**
 * The Lease by which an API server says that it is there: renewed while it runs, taken away when it ends; what others have left
 * behind goes when it is over. Source: KEP-1965; pkg/controlplane, component-helpers' lease controller.
 */
import { createHash } from 'node:crypto';
import { Lease } from '#api/coordination/v1/lease.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { microTimestampOf, millisOf } from '#api/machinery/timestamp.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';

export interface IdentityLeaseOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  hostname: string;
  /** Two on one machine are two. */
  port: number;
  /** Different at each start. */
  instance: string;
}

const NAMESPACE = 'kube-system';
const IDENTITY = 'apiserver.kubernetes.io/identity';
const COMPONENT = 'kube-apiserver';
const DURATION_SECONDS = 3_600;
const RENEW_EVERY_MS = 10_000;
const RENEW_JITTER = 0.04;
const COLLECT_EVERY_MS = 3_600_000;
const LONGEST_STOP_MS = 2_000;

/** `isThere` resolves when the Lease is, or could not be made yet. `stop` takes it away, whatever goes on. */
export function keepIdentityLease(options: IdentityLeaseOptions): { isThere: Promise<void>; stop(): Promise<void> } {
  const { client, clock, random, log } = options;
  const name = nameOf(options);
  const stopping = new AbortController();
  const { signal } = stopping;
  const tried = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      log.warn('the Lease of this API server was not brought up to date', { error: String(error) });
    }
  };
  const collect = () => tried(() => collectExpired(client, clock.now()));

  const begin = async () => {
    await tried(() => remove(client, name)); // of an earlier start
    if (!signal.aborted) await tried(() => renew(name, options));
  };
  const isThere = begin();
  const running = (async () => {
    await isThere;
    if (!signal.aborted) await collect();
    for (let collectAtMs = clock.now() + COLLECT_EVERY_MS; !signal.aborted; ) {
      const pauseMs = RENEW_EVERY_MS * (1 + RENEW_JITTER * random.next());
      await sleep(clock, pauseMs, signal).catch(() => undefined); // ends early only when it has to stop
      if (signal.aborted) return;
      await tried(() => renew(name, options));
      if (clock.now() < collectAtMs) continue;
      collectAtMs = clock.now() + COLLECT_EVERY_MS;
      await collect();
    }
  })();
  return {
    isThere,
    async stop() {
      stopping.abort();
      const enough = new AbortController();
      const removed = running.then(() => tried(() => remove(client, name))).finally(() => enough.abort());
      // A store that does not answer is not waited for: the Lease is over by itself.
      await Promise.race([removed, sleep(clock, LONGEST_STOP_MS, enough.signal).catch(() => undefined)]);
    },
  };
}

/** A name of 26 characters after `apiserver-`, the same at each start. */
function nameOf({ hostname, port }: IdentityLeaseOptions): string {
  const hash = createHash('sha256');
  for (const part of [hostname, COMPONENT, `${port}`]) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(part));
    hash.update(length).update(part);
  }
  return `apiserver-${base32(hash.digest().subarray(0, 16))}`;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => ALPHABET[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
}

async function renew(name: string, { client, clock, hostname, instance }: IdentityLeaseOptions): Promise<void> {
  const at = { name, namespace: NAMESPACE };
  const labels = { [IDENTITY]: COMPONENT, 'kubernetes.io/hostname': hostname };
  const times = { leaseDurationSeconds: DURATION_SECONDS, renewTime: microTimestampOf(clock.now()) };
  try {
    const patch = { metadata: { labels }, spec: times };
    await client.patch(Lease, at, { type: 'merge', patch });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
    await client.create(Lease, {
      metadata: { ...at, labels },
      spec: { holderIdentity: `${name}_${instance}`, ...times },
    });
  }
}

async function remove(client: Client, name: string): Promise<void> {
  try {
    await client.delete(Lease, { name, namespace: NAMESPACE });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

async function collectExpired(client: Client, nowMs: number): Promise<void> {
  const { items } = await client.list(Lease, { namespace: NAMESPACE, labelSelector: `${IDENTITY}=${COMPONENT}` });
  for (const lease of items.filter((each) => isOver(each, nowMs))) {
    const { name, uid = '', resourceVersion = '' } = lease.metadata;
    try {
      // Only as it was seen: one that is renewed meanwhile stays.
      await client.delete(Lease, { name, namespace: NAMESPACE }, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!(error instanceof StatusError) || !['NotFound', 'Conflict'].includes(error.reason)) throw error;
    }
  }
}

function isOver({ spec }: Lease, nowMs: number): boolean {
  const renewedMs = millisOf(spec.renewTime);
  if (renewedMs === undefined || spec.leaseDurationSeconds === undefined) return true;
  return renewedMs + spec.leaseDurationSeconds * 1000 < nowMs;
}
