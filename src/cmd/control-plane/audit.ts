/** From the flags of the API server to who is told what was done. */
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { AuditSink } from '#control-plane/apiserver/audit/audit-event.ts';
import { Auditor } from '#control-plane/apiserver/audit/auditor.ts';
import { AuditLogFile } from '#control-plane/apiserver/audit/log-file.ts';
import { parsePolicy } from '#control-plane/apiserver/audit/policy.ts';
import { AuditWebhookSink } from '#control-plane/apiserver/audit/webhook-sink.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import { webhookEndpointOf } from './webhook-endpoint.ts';

interface AuditServices {
  flags: ApiServerFlags;
  clock: Clock;
  log: Log;
}

/** undefined: nothing is recorded. As upstream, a log without a policy stays empty. Throws FlagError. */
export function openAudit(services: AuditServices): Auditor | undefined {
  const { flags, clock, log } = services;
  const sinks = [...logSinks(services), ...webhookSinks(services)];
  if (!flags.has('audit-policy-file')) {
    if (sinks.length > 0) log.warn('no audit policy file is given: no events will be recorded');
    return undefined;
  }
  const policy = policyIn(flags);
  return sinks.length > 0 ? new Auditor({ policy, sinks, clock }) : undefined;
}

function policyIn(flags: ApiServerFlags) {
  const text = flags.file('audit-policy-file');
  try {
    return parsePolicy(text);
  } catch (error) {
    const why = (error as Error).message;
    throw new FlagError(`loading audit policy file: ${why}: from file ${flags.text('audit-policy-file')}`);
  }
}

function logSinks({ flags, clock, log }: AuditServices): AuditSink[] {
  const path = flags.text('audit-log-path');
  if (!path) return [];
  const format = flags.text('audit-log-format', 'json');
  if (format !== 'json' && format !== 'legacy')
    throw new FlagError(`invalid audit log format ${format}, allowed formats are "legacy,json"`);
  return [
    new AuditLogFile({
      path,
      format,
      maxAgeDays: flags.count('audit-log-maxage', 366),
      maxBackups: flags.count('audit-log-maxbackup', 100),
      maxSizeMb: flags.count('audit-log-maxsize', 100) || 100,
      clock,
      log,
    }),
  ];
}

function webhookSinks({ flags, clock, log }: AuditServices): AuditSink[] {
  const path = flags.text('audit-webhook-config-file');
  if (!path) return [];
  return [
    new AuditWebhookSink({
      endpoint: webhookEndpointOf(path, { clock, what: '--audit-webhook-config-file' }),
      initialBackoffMs: flags.milliseconds('audit-webhook-initial-backoff', 10_000),
      bufferSize: flags.count('audit-webhook-batch-buffer-size', 10_000),
      maxBatchSize: flags.count('audit-webhook-batch-max-size', 400),
      maxBatchWaitMs: flags.milliseconds('audit-webhook-batch-max-wait', 30_000),
      clock,
      log,
    }),
  ];
}
