/**
 * Says what a component does with an object, as Events of `events.k8s.io/v1`. The same again does not make a second Event: the
 * first becomes a series. It is written when it begins, then only kept alive, and once more, with what was counted meanwhile,
 * when nothing came for a while. Never holds up who says it. Source: KEP-383; client-go, tools/events.
 */
import { Event } from '#api/events/v1/event.ts';
import type { EventsV1Event, ObjectReference } from '#api/generated/schema.ts';
import { byteLength } from '#api/machinery/object-meta.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { microTimestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { PacedWork } from '#base/paced-work.ts';
import { PlainSignal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import type { Client, Draft } from './client.ts';
import { EventNames } from './event-names.ts';
import { type About, referenceTo } from './event-recorder.ts';
import { Unreachable } from './transport.ts';

/** A component did something, or could not do it. */
export interface Occurrence {
  /** The component: `default-scheduler`. */
  reportingController: string;
  regarding: About;
  /** A second object that has to do with it. */
  related?: About;
  type: 'Normal' | 'Warning';
  reason: string;
  /** What was done, or tried. */
  action: string;
  note: string;
}

export interface OccurrenceSink {
  record(occurrence: Occurrence): void;
}

export interface SeriesRecorderOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** The machine that the component runs on. */
  hostname: string;
  log: Log;
  /** Stops everything; what is not written by then is dropped. */
  signal: AbortSignal;
}

/** How often what is over is looked for, and how long nothing came when it is. */
const FINISH_MS = 6 * 60_000;
/** The server forgets Events that are not written for an hour. */
const REFRESH_MS = 30 * 60_000;
const UNDER_WAY_AT_MOST = 1000;
/**
 * What an Event tells of comes first: of many Events a few at a time are written beside it, one while that takes long, and so the
 * more the less there is to do. Upstream has 50 a second for that. They are not late for longer than this, and not so many are.
 */
const PACE = { atOnce: 4, quickMs: 10, longestWaitMs: 10_000, mostWaiting: 5_000 };
const TRIES = 12;
const RETRY_MS = 10_000;
const RETRY_JITTER = 0.25;
const REMEMBERED = 4096;
const NOTE_BYTES = 1024;
const CUT_OFF = ' ...';

interface Observed {
  /** As it is now; what is being written is an earlier one perhaps. */
  event: Draft<EventsV1Event>;
  lastMs: number;
  writing: Promise<unknown> | undefined;
}

export class SeriesRecorder implements OccurrenceSink {
  readonly #options: SeriesRecorderOptions;
  readonly #names: EventNames;
  /** By everything but time and note, those that began first in front. */
  readonly #observed = new Map<string, Observed>();
  readonly #pace: PacedWork;
  /** As the signal: it is listened to by each Event that waits to be tried again. */
  readonly #stopped = new PlainSignal();
  #pending = 0;

  constructor(options: SeriesRecorderOptions) {
    const { signal } = options;
    if (signal.aborted) this.#stopped.abort(signal.reason);
    else signal.addEventListener('abort', () => this.#stopped.abort(signal.reason), { once: true });
    this.#options = options;
    this.#pace = new PacedWork({ clock: options.clock, signal: this.#stopped, ...PACE });
    this.#names = new EventNames(options.clock, options.hostname);
    this.#every(FINISH_MS, () => this.#finish());
    this.#every(REFRESH_MS, () => this.#refresh());
  }

  /** Events that are not written yet. */
  get pending(): number {
    return this.#pending;
  }

  record(occurrence: Occurrence): void {
    const nowMs = this.#options.clock.now();
    const regarding = referenceTo(occurrence.regarding);
    const related = occurrence.related && referenceTo(occurrence.related);
    const { reportingController, type, reason, action } = occurrence;
    const key = `${reportingController}|${type}|${reason}|${action}|${textOf(regarding)}|${related ? textOf(related) : ''}`;
    const known = this.#observed.get(key);
    if (known) {
      this.#again(known, nowMs);
      return;
    }
    if (this.#pace.underWay >= UNDER_WAY_AT_MOST) return;
    const event = this.#eventOf(occurrence, { regarding, related, nowMs });
    const observed: Observed = { event, lastMs: nowMs, writing: undefined };
    this.#observed.set(key, observed);
    if (this.#observed.size > REMEMBERED) this.#forgetFirst();
    void this.#write(observed, TRIES);
  }

  #again(observed: Observed, nowMs: number): void {
    const { event } = observed;
    const count = (event.series?.count ?? 1) + 1;
    observed.event = { ...event, series: { count, lastObservedTime: microTimestampOf(nowMs) } };
    observed.lastMs = nowMs;
    if (!event.series) void this.#write(observed, TRIES);
  }

  #eventOf(
    { reportingController, type, reason, action, note }: Occurrence,
    { regarding, related, nowMs }: { regarding: ObjectReference; related: ObjectReference | undefined; nowMs: number },
  ): Draft<EventsV1Event> {
    const { hostname } = this.#options;
    return {
      metadata: { name: this.#names.next(regarding), namespace: regarding.namespace || 'default' },
      eventTime: microTimestampOf(nowMs),
      reportingController,
      reportingInstance: `${reportingController}-${hostname}`,
      action,
      reason,
      regarding,
      ...(related && { related }),
      note: fitting(note),
      type,
    };
  }

  #forgetFirst(): void {
    for (const [key, observed] of this.#observed) {
      this.#observed.delete(key);
      if (observed.event.series) void this.#write(observed, TRIES);
      return;
    }
  }

  /** Forgets what came no more, one after the other; series with a last count. */
  async #finish(): Promise<void> {
    const isOver = ({ lastMs }: Observed) => lastMs < this.#options.clock.now() - FINISH_MS;
    for (const [key, observed] of [...this.#observed].filter(([, each]) => isOver(each))) {
      if (this.#observed.get(key) !== observed || !isOver(observed)) continue;
      this.#observed.delete(key);
      if (!observed.event.series || (await this.#write(observed, 1))) continue;
      if (!this.#observed.has(key)) this.#observed.set(key, observed);
      return; // the server cannot be reached: the next time
    }
  }

  /** Writes down how far the series have got. */
  async #refresh(): Promise<void> {
    for (const observed of [...this.#observed.values()])
      if (observed.event.series && !(await this.#write(observed, 1))) return;
  }

  /** Until the signal aborts. */
  #every(ms: number, act: () => Promise<void>): void {
    const { clock } = this.#options;
    const due = () => {
      timer = clock.timer(ms, due);
      this.#pending++; // between two writes as well
      void act().finally(() => this.#pending--);
    };
    let timer = clock.timer(ms, due);
    this.#stopped.addEventListener('abort', () => timer.cancel());
  }

  /** One Event's writes stay in order; different ones do not wait for each other. False: the server could not be reached. */
  #write(observed: Observed, tries: number): Promise<boolean> {
    const { event, writing } = observed;
    this.#pending++;
    const write = () => this.#pace.run(() => this.#attempt(event, tries));
    const written = writing ? writing.then(write) : write();
    observed.writing = written;
    return written.finally(() => this.#pending--);
  }

  async #attempt(event: Draft<EventsV1Event>, tries: number): Promise<boolean> {
    const { clock, random, log } = this.#options;
    const signal = this.#stopped;
    const waitMs = () => RETRY_MS * (1 + RETRY_JITTER * random.next());
    const wait = () => sleep(clock, waitMs(), signal).catch(() => undefined); // aborted: the loop ends
    for (let left = tries; !signal.aborted; await wait()) {
      try {
        await this.#send(event);
        return true;
      } catch (error) {
        if (signal.aborted) return true;
        if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
        if (error instanceof Unreachable && --left > 0) continue;
        log.debug('event dropped', { reason: event.reason, error: error.message });
        return !(error instanceof Unreachable);
      }
    }
    return true;
  }

  async #send(event: Draft<EventsV1Event>): Promise<void> {
    const { client } = this.#options;
    const { series, metadata } = event;
    if (series) {
      const at = { name: metadata.name ?? '', namespace: metadata.namespace ?? '' };
      try {
        await client.patch(Event, at, { type: 'strategic', patch: { series } });
        return;
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error; // it outlived its Event: the same anew
      }
    }
    await client.create(Event, event);
  }
}

const textOf = ({ kind, apiVersion, namespace, name, uid, resourceVersion, fieldPath }: ObjectReference): string =>
  `${apiVersion}/${kind}/${namespace}/${name}/${uid}/${resourceVersion}/${fieldPath ?? ''}`;

/** What the server takes. */
function fitting(note: string): string {
  if (byteLength(note) <= NOTE_BYTES) return note;
  let end = NOTE_BYTES - CUT_OFF.length;
  while (byteLength(note.slice(0, end)) > NOTE_BYTES - CUT_OFF.length) end--;
  return note.slice(0, end) + CUT_OFF;
}
