/** Where a process's log lines go: JSON on standard error, written at once, so that a crash loses none. */
import { pino } from 'pino';
import type { Log } from '#base/log.ts';

export function processLog(component: string): Log {
  const level = process.env['KEDGE_LOG'] ?? 'info';
  const base = { component };
  const serializers = { error: (error: unknown) => (error instanceof Error ? pino.stdSerializers.err(error) : error) };
  const options = {
    level,
    base,
    serializers,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: levelName },
  };
  const destination = pino.destination({ fd: 2, sync: true });
  destination.on('error', () => undefined); // the disk is full: who makes room must not end for want of a line
  return adapt(pino(options, destination));
}

const levelName = (level: string) => ({ level });

function adapt(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields, message),
    info: (message, fields) => logger.info(fields, message),
    warn: (message, fields) => logger.warn(fields, message),
    error: (message, fields) => logger.error(fields, message),
    child: (fields) => adapt(logger.child(fields)),
  };
}
