/** One request that is recorded: what is known of it so far, and the events that were written. */
import { type Status, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { durationText } from '../remote/configuration-file.ts';
import type { TimeElsewhere } from '../time-elsewhere.ts';
import { type AuditEvent, auditUser, microTime } from './audit-event.ts';
import { type AuditConfig, LEVELS, type Level, type Stage } from './policy.ts';
import { recordedBody, withoutManagedFields } from './recorded-body.ts';

interface Recording {
  config: AuditConfig;
  clock: Clock;
  write(event: AuditEvent): void;
}

/** Requests that take longer are annotated with where their time went. */
const SLOW_MS = 500;
/** Kept of what plugins and webhooks of others say. */
const MAX_ANNOTATIONS = 256;

export class AuditedRequest {
  readonly #recording: Recording;
  #event: AuditEvent;
  #annotations: Map<string, string> | undefined;
  #isOver = false;

  constructor(event: AuditEvent, recording: Recording) {
    this.#event = event;
    this.#recording = recording;
  }

  get recordsResponses(): boolean {
    return this.#reaches('RequestResponse');
  }

  /** As `Annotate` of admission. What is there stays. */
  readonly annotate = (key: string, value: string, level?: 'Request'): void => {
    if (level && !this.#reaches(level)) return;
    this.#annotations ??= new Map();
    if (this.#annotations.has(key) || this.#annotations.size >= MAX_ANNOTATIONS) return;
    this.#annotations.set(key, value);
  };

  actingAs(user: UserInfo, constraint?: string): void {
    this.#event = {
      ...this.#event,
      impersonatedUser: auditUser(user),
      ...(constraint && { authenticationMetadata: { impersonationConstraint: constraint } }),
    };
  }

  /** The body as it came. Only its metadata is looked at below the level Request. */
  sent(bytes: Uint8Array, contentType: string): void {
    this.sentObject(recordedBody(bytes, contentType));
  }

  sentObject(object: unknown): void {
    if (object === undefined) return;
    const { objectRef } = this.#event;
    const metadata = (object as { metadata?: Record<string, string> } | null)?.metadata;
    if (objectRef && metadata && typeof metadata === 'object') {
      const { namespace, name, uid, resourceVersion } = metadata;
      const known = { namespace, name, uid, resourceVersion };
      this.#event = { ...this.#event, objectRef: { ...definedTexts(known), ...objectRef } };
    }
    if (this.#reaches('Request')) this.#event = { ...this.#event, requestObject: this.#shown(object) };
  }

  /** Called for what lasts, when its headers are out. */
  started(code: number): void {
    this.#event = { ...this.#event, responseStatus: { metadata: {}, code } };
    this.stage('ResponseStarted');
  }

  /** The object of an answer, as the client sees it. */
  answered(object: unknown): void {
    if (object !== undefined && this.recordsResponses)
      this.#event = { ...this.#event, responseObject: this.#shown(object) };
  }

  refused(status: Status): void {
    const { status: outcome, message, reason, details, code } = status;
    this.#event = {
      ...this.#event,
      responseStatus: {
        metadata: {},
        status: outcome,
        ...(message && { message }),
        ...(reason && { reason }),
        ...(details && { details }),
        code,
      },
    };
    this.answered(status);
  }

  /** From its beginning to its end. Throws what `work` throws. */
  async during<T extends { code: number }>(work: () => Promise<T>): Promise<T> {
    try {
      const done = await work();
      this.completed(done.code);
      return done;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** Up to where it goes on by itself. Throws what `open` throws. */
  async opening<T>(open: () => Promise<T>): Promise<T> {
    try {
      const opened = await open();
      this.started(200);
      return opened;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  failed(error: unknown): void {
    if (error instanceof StatusError) {
      this.refused(error.toStatus());
      this.completed(error.code);
    } else this.panicked(error);
  }

  /** Who it was is not known: its refusal is all there is to tell. */
  notAuthenticated(message: string): void {
    this.#event = { ...this.#event, responseStatus: { metadata: {}, message, code: 401 } };
    this.stage('ResponseStarted');
    this.#isOver = true;
  }

  /** Once; `code` 0: the client has gone before there was an answer. `elsewhere`: of a request that could tell. */
  completed(code: number, elsewhere?: TimeElsewhere): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (elsewhere) this.#noteLatency(elsewhere);
    this.#event = {
      ...this.#event,
      responseStatus:
        code === 0
          ? { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 }
          : { metadata: {}, ...this.#event.responseStatus, code },
    };
    this.stage('ResponseComplete');
  }

  /** Source: upstream's filters/audit.go. */
  #noteLatency({ queuedMs, mutatingWebhooksMs, validatingWebhooksMs }: TimeElsewhere): void {
    const totalMs = this.#recording.clock.now() - Date.parse(this.#event.requestReceivedTimestamp);
    if (totalMs <= SLOW_MS) return;
    const parts = { 'apf-queue-wait': queuedMs, 'mutating-webhook': mutatingWebhooksMs };
    const all = { ...parts, 'validating-webhook': validatingWebhooksMs, total: totalMs };
    for (const [part, ms] of Object.entries(all))
      if (ms > 0) this.annotate(`apiserver.latency.k8s.io/${part}`, durationText(ms));
  }

  /** A bug has ended it. */
  panicked(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
    const { status, reason, code } = new StatusError('InternalError', message).toStatus();
    this.#event = { ...this.#event, responseStatus: { metadata: {}, status, message, reason: reason!, code } };
    this.stage('Panic');
  }

  stage(stage: Stage): void {
    const { config, clock, write } = this.#recording;
    if (config.omitStages.has(stage)) return;
    const { requestReceivedTimestamp } = this.#event;
    write({
      ...this.#event,
      stage,
      stageTimestamp: stage === 'RequestReceived' ? requestReceivedTimestamp : microTime(clock.now()),
      ...(this.#annotations && { annotations: Object.fromEntries(this.#annotations) }),
    });
  }

  #shown(object: unknown): unknown {
    return this.#recording.config.omitManagedFields ? withoutManagedFields(object) : object;
  }

  #reaches(level: Level): boolean {
    return LEVELS.indexOf(this.#recording.config.level) >= LEVELS.indexOf(level);
  }
}

const definedTexts = (fields: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).filter(
      (field): field is [string, string] => typeof field[1] === 'string' && field[1] !== '',
    ),
  );
