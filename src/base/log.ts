/** What a component may say. Fields never hold secrets. The composition root decides where lines go (pino). */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** The same log with these fields on every line. */
  child(fields: Record<string, unknown>): Log;
}

const ignore = () => undefined;

/** A log that says nothing: the default in tests. */
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLog };
