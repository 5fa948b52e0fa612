/** What kubectl prints for each error, and its exit code. Source: kubectl, cmd/util, "CheckErr". */
import { type Status, StatusError } from '#api/machinery/status.ts';
import { Unreachable } from '#client/transport.ts';
import { SeveralErrors, VerbError } from './verb-error.ts';

/** Without a newline at the end. */
export function textOf(error: unknown, server: string): string {
  if (error instanceof SeveralErrors)
    return error.errors.map((each) => standardText(each, server) ?? messageOf(each)).join('\n');
  if (error instanceof StatusError && error.reason === 'Invalid') return textOfInvalid(error.toStatus());
  const standard = standardText(error, server);
  if (standard !== undefined) return standard;
  const message = messageOf(error);
  if (error instanceof VerbError && error.isBare) return message;
  return message.startsWith('error: ') ? message : `error: ${message}`;
}

export const exitCodeOf = (error: unknown): number => (error instanceof VerbError ? error.exitCode : 1);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function standardText(error: unknown, server: string): string | undefined {
  if (error instanceof StatusError) {
    if (error.reason === 'Unauthorized') return `error: You must be logged in to the server (${error.message})`;
    return `Error from server${error.reason ? ` (${error.reason})` : ''}: ${error.message}`;
  }
  if (!(error instanceof Unreachable)) return undefined;
  if (!error.message.includes('ECONNREFUSED')) return `Unable to connect to the server: ${causeOf(error)}`;
  const { host } = new URL(server);
  return `The connection to the server ${host} was refused - did you specify the right host or port?`;
}

const UNKNOWN_AUTHORITY = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Of a server that shows a certificate of somebody unknown, as Go says it. */
function causeOf({ message, cause }: Unreachable): string {
  const { code = '', hostname } = (cause ?? {}) as NodeJS.ErrnoException & { hostname?: string };
  if (code === 'ENOTFOUND' && hostname) return `dial tcp: lookup ${hostname}: no such host`;
  return UNKNOWN_AUTHORITY.has(code)
    ? 'tls: failed to verify certificate: x509: certificate signed by unknown authority'
    : message;
}

function textOfInvalid({ message = '', details }: Status): string {
  const start = 'The request is invalid';
  if (!details) return message ? `${start}: ${message}` : start;
  const causes = details.causes ?? [];
  const named = details.kind || details.name;
  const what = named
    ? `The ${details.kind ?? ''} ${JSON.stringify(details.name ?? '')} is invalid`
    : message && causes.length === 0
      ? `${start}: ${message}`
      : start;
  const lines = [...new Set(causes.map((cause) => `${cause.field ?? ''}: ${cause.message ?? ''}`))];
  if (lines.length === 0) return what;
  return lines.length === 1 ? `${what}: ${lines[0]}` : `${what}: \n${lines.map((line) => `* ${line}`).join('\n')}`;
}

/** The same error, with what was being done with which file in front of its message. */
export function whileDoing(error: unknown, verb: string, source: string): unknown {
  if (!source) return error;
  const told = `error when ${verb} ${JSON.stringify(source)}: ${messageOf(error)}`;
  if (error instanceof StatusError) return StatusError.from({ ...error.toStatus(), message: told });
  return error instanceof Unreachable ? error : new VerbError(told);
}
