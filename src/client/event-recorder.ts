/**
 * Says what happened, as Events. Never holds up who says it: Events are written later, and dropped when there are too many.
 * Repeated ones become a count, similar ones are combined, a flood about one object is cut off. Source: client-go, tools/record.
 */
import { Event } from '#api/core/v1/event.ts';
import type { Event as EventObject, ObjectReference } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import type { Client, Draft } from './client.ts';
import { EventNames } from './event-names.ts';
import { Unreachable } from './transport.ts';

/** What an Event is about. */
export type About = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'> | ObjectReference;

export interface EventSink {
  normal(about: About, reason: string, message: string): void;
  warning(about: About, reason: string, message: string): void;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** The component that speaks: `deployment-controller`, `kubelet`. */
  component: string;
  /** The node, for what runs on one. */
  host?: string;
  log?: Log;
  /** Stops trying; what is not written by then is dropped. */
  signal?: Signal;
}

const SIMILAR_WITHIN_MS = 600_000;
const SIMILAR_AT_MOST = 10;
/** Of one source about one object: 25 at once, then one every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
const REMEMBERED = 4096;
const QUEUED_AT_MOST = 1000;
const TRIES = 12;
const RETRY_MS = 10_000;

interface Observed {
  count: number;
  firstTimestamp: string;
  /** undefined until the first write has been answered. */
  stored?: { name: string; namespace: string };
  writing: Promise<void>;
}

export class EventRecorder implements EventSink {
  readonly #options: EventRecorderOptions;
  readonly #log: Log;
  #names: EventNames | undefined;
  readonly #seen = new Map<string, Observed>();
  readonly #similar = new Map<string, { messages: string[]; lastMs: number }>();
  readonly #allowance = new Map<string, { tokens: number; atMs: number }>();
  #pending = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  /** Events that are not written yet. */
  get pending(): number {
    return this.#pending;
  }

  normal(about: About, reason: string, message: string): void {
    this.#record(referenceTo(about), { type: 'Normal', reason, message });
  }

  warning(about: About, reason: string, message: string): void {
    this.#record(referenceTo(about), { type: 'Warning', reason, message });
  }

  #record(about: ObjectReference, event: { type: string; reason: string; message: string }): void {
    const nowMs = this.#options.clock.now();
    const aboutId = `${about.kind}/${about.namespace}/${about.name}/${about.uid}/${about.fieldPath ?? ''}`;
    if (this.#pending >= QUEUED_AT_MOST || !this.#mayPass(aboutId, nowMs)) return;
    const similarId = `${aboutId}|${event.type}|${event.reason}`;
    const isCombined = this.#isOneTooMany(similarId, event.message, nowMs);
    const message = isCombined ? `(combined from similar events): ${event.message}` : event.message;
    const id = isCombined ? similarId : `${similarId}|${event.message}`;
    this.#observe(id, about, { ...event, message }, nowMs);
  }

  #observe(
    id: string,
    about: ObjectReference,
    event: { type: string; reason: string; message: string },
    nowMs: number,
  ): void {
    const timestamp = timestampOf(nowMs);
    const known = this.#seen.get(id);
    const observed: Observed = known ?? { count: 0, firstTimestamp: timestamp, writing: Promise.resolve() };
    observed.count++;
    remember(this.#seen, id, observed);
    const { count } = observed;
    this.#pending++;
    // One Event's writes stay in order; different ones do not wait for each other.
    observed.writing = observed.writing
      .then(() => this.#write(observed, this.#eventOf(about, event, { count, timestamp, observed })))
      .finally(() => {
        this.#pending--;
      });
  }

  #eventOf(
    about: ObjectReference,
    { type, reason, message }: { type: string; reason: string; message: string },
    { count, timestamp, observed }: { count: number; timestamp: string; observed: Observed },
  ): Draft<EventObject> {
    const { clock, component, host } = this.#options;
    this.#names ??= new EventNames(clock, component);
    return {
      metadata: { name: this.#names.next(about), namespace: about.namespace || 'default' },
      involvedObject: about,
      reason,
      message: message.slice(0, 1024),
      source: { component, ...(host && { host }) },
      firstTimestamp: observed.firstTimestamp,
      lastTimestamp: timestamp,
      count,
      type,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  async #write(observed: Observed, event: Draft<EventObject>): Promise<void> {
    const { clock, random, signal } = this.#options;
    for (let tries = 1; !signal?.aborted; tries++) {
      try {
        await this.#writeOnce(observed, event);
        return;
      } catch (error) {
        if (signal?.aborted) return;
        if (!(error instanceof Unreachable) || tries >= TRIES) return this.#drop(event, error);
        // The first at any time within it: many lose the server at once. Without the signal: a thousand would wait for it.
        await sleep(clock, tries === 1 ? RETRY_MS * random.next() : RETRY_MS);
      }
    }
  }

  async #writeOnce(observed: Observed, event: Draft<EventObject>): Promise<void> {
    const { client } = this.#options;
    if (observed.stored) {
      const { message, lastTimestamp, count } = event;
      const patch = { type: 'strategic' as const, patch: { message, lastTimestamp, count } };
      try {
        await client.patch(Event, observed.stored, patch);
        return;
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error; // it outlived its Event: begin a new one
      }
    }
    const { metadata } = await client.create(Event, event);
    observed.stored = { name: metadata.name, namespace: metadata.namespace ?? 'default' };
  }

  #drop(event: Draft<EventObject>, error: unknown): void {
    if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
    this.#log.debug('event dropped', { reason: event.reason, error: error.message });
  }

  #mayPass(id: string, nowMs: number): boolean {
    const known = this.#allowance.get(id) ?? { tokens: BURST, atMs: nowMs };
    const tokens = Math.min(BURST, known.tokens + (nowMs - known.atMs) / REFILL_MS);
    remember(this.#allowance, id, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    return tokens >= 1;
  }

  #isOneTooMany(id: string, message: string, nowMs: number): boolean {
    const known = this.#similar.get(id);
    const messages = known && nowMs - known.lastMs <= SIMILAR_WITHIN_MS ? known.messages : [];
    if (!messages.includes(message)) messages.push(message);
    remember(this.#similar, id, { messages, lastMs: nowMs });
    if (messages.length < SIMILAR_AT_MOST) return false;
    messages.shift(); // the oldest makes room: they stay few
    return true;
  }
}

/** A map that forgets what was not touched for the longest time. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED) return;
  const oldest = map.keys().next().value;
  if (oldest !== undefined) map.delete(oldest);
}

/** The reference by which an Event, or a condition, names an object. */
export function referenceTo(about: About): ObjectReference {
  if (!('metadata' in about)) return about;
  const { apiVersion, kind, metadata } = about as Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>;
  return {
    kind,
    apiVersion,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    ...(metadata.namespace && { namespace: metadata.namespace }),
  };
}
