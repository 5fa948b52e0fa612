/**
 * Records who did what, as the policy says. Each request that is to be recorded gets an `AuditedRequest`, which gathers
 * what becomes known of it and writes an event at each stage; the others get nothing and cost one look at the rules.
 * Source: documentation, "Auditing".
 */
import { Counter, type Registry } from 'prom-client';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { RequestInfo } from '../request-info.ts';
import { type AuditEvent, type AuditSink, auditUser, microTime, type ObjectReference } from './audit-event.ts';
import { AuditedRequest } from './audited-request.ts';
import type { AuditPolicy } from './policy.ts';

export interface AuditorOptions {
  policy: AuditPolicy;
  sinks: readonly AuditSink[];
  clock: Clock;
}

/** What is known of a request when it comes in. */
export interface ReceivedRequest {
  auditId: string;
  info: RequestInfo;
  /** With its query. */
  uri: string;
  /** Who has authenticated; undefined: that has failed. */
  user: UserInfo | undefined;
  userAgent: string;
  sourceIps: readonly string[];
}

const MAX_USER_AGENT = 1024;

export class Auditor {
  readonly #policy: AuditPolicy;
  readonly #sinks: readonly AuditSink[];
  readonly #clock: Clock;
  #written = 0;

  constructor({ policy, sinks, clock }: AuditorOptions) {
    this.#policy = policy;
    this.#sinks = sinks;
    this.#clock = clock;
  }

  /** Writes RequestReceived, for requests whose sender is known. undefined: this one is not recorded. */
  begin(received: ReceivedRequest): AuditedRequest | undefined {
    const { info, user, userAgent, sourceIps } = received;
    const config = this.#policy.configFor(info, user);
    if (!config) return undefined;
    const now = microTime(this.#clock.now());
    const event: AuditEvent = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: config.level,
      auditID: received.auditId,
      stage: 'RequestReceived',
      requestURI: received.uri,
      verb: info.verb || info.method.toLowerCase(),
      user: user ? auditUser(user) : {},
      sourceIPs: sourceIps,
      ...(userAgent && { userAgent: truncated(userAgent) }),
      ...(info.isResource && { objectRef: referenceOf(info) }),
      requestReceivedTimestamp: now,
      stageTimestamp: now,
    };
    const request = new AuditedRequest(event, { config, clock: this.#clock, write: (one) => this.#write(one) });
    if (user) request.stage('RequestReceived');
    return request;
  }

  registerMetrics(registry: Registry): void {
    const events = () => this.#written;
    new Counter({
      name: 'apiserver_audit_event_total',
      help: 'Audit events that were handed to the backends.',
      registers: [registry],
      collect() {
        this.reset();
        this.inc(events());
      },
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }

  #write(event: AuditEvent): void {
    this.#written++;
    for (const sink of this.#sinks) sink.write(event);
  }
}

const truncated = (userAgent: string): string =>
  userAgent.length > MAX_USER_AGENT ? `${userAgent.slice(0, MAX_USER_AGENT)}...TRUNCATED` : userAgent;

function referenceOf(info: RequestInfo & { isResource: true }): ObjectReference {
  const { resource, namespace, name, group, version, subresource } = info;
  return {
    ...(resource && { resource }),
    ...(namespace && { namespace }),
    ...(name && { name }),
    ...(group && { apiGroup: group }),
    ...(version && { apiVersion: version }),
    ...(subresource && { subresource }),
  };
}

/** What the sender and those in between say of where it comes from, then who is connected. Only the last is sure. */
export function sourceIpsOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  remoteAddress = '',
): string[] {
  const textOf = (name: string) => [headers[name] ?? []].flat().join(',');
  const named = textOf('x-forwarded-for')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);
  const real = textOf('x-real-ip').trim();
  if (real && !named.includes(real)) named.push(real);
  const remote = remoteAddress.replace(/^::ffff:/, '');
  if (remote && named.at(-1) !== remote) named.push(remote);
  return named;
}
