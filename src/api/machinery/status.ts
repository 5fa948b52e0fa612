/**
 * The one error that leaves the API server, and the catalogue of its reasons. Codes follow from reasons; message texts
 * are upstream's, because clients show and match them. Source: API conventions, "Response Status Kind"; apimachinery, errors.
 */
import type { FieldError } from './field-error.ts';

export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'Invalid'
  | 'TooManyRequests'
  | 'InternalError'
  | 'ServerTimeout'
  | 'Timeout'
  | 'ServiceUnavailable';

const CODES: Record<StatusReason, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  Timeout: 504,
  ServiceUnavailable: 503,
};

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** metav1.Status, as it is sent. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string; resourceVersion?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: StatusReason | '';
  details?: StatusDetails;
  code: number;
}

export class StatusError extends Error {
  override readonly name = 'StatusError';
  /** '' where upstream gives none: an error that is no Status there, sent with 500. */
  readonly reason: StatusReason | '';
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** For 410: where an inconsistent listing may go on. */
  readonly continueToken: string | undefined;

  constructor(
    reason: StatusReason | '',
    message: string,
    extra: { details?: StatusDetails; code?: number; continueToken?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: extra.cause });
    this.reason = reason;
    this.code = extra.code ?? (reason ? CODES[reason] : 500);
    this.details = extra.details;
    this.continueToken = extra.continueToken;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continueToken ? { continue: this.continueToken } : {},
      status: 'Failure',
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }

  /** The error behind a Status that a server sent. */
  static from(status: Partial<Status> & { code: number }): StatusError {
    const isComplete = status.kind === 'Status'; // then it has none because there is none
    return new StatusError(status.reason || (isComplete ? '' : reasonOfCode(status.code)), status.message ?? '', {
      code: status.code,
      ...(status.details && { details: status.details }),
      ...(status.metadata?.continue && { continueToken: status.metadata.continue }),
    });
  }
}

function reasonOfCode(code: number): StatusReason {
  const known = Object.entries(CODES).find(([, value]) => value === code);
  return (known?.[0] as StatusReason | undefined) ?? (code >= 500 ? 'InternalError' : 'BadRequest');
}

/** What a code says by itself. */
const REASONS: ReadonlyMap<number, StatusReason> = new Map(
  (Object.entries(CODES) as [StatusReason, number][])
    .filter(([reason, code]) => code < 500 && reason !== 'AlreadyExists' && reason !== 'Expired')
    .map(([reason, code]) => [code, reason]),
);

/** Where another server gives no reason, or one of its own, the code counts. Source: apimachinery, IsNotFound and its like. */
export function hasReason(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  if (!(error instanceof StatusError)) return false;
  const { reason, code } = error;
  const told = reason && Object.hasOwn(CODES, reason) ? reason : REASONS.get(code);
  return told !== undefined && reasons.includes(told);
}

/** What a resource is called in messages: `pods "web"`, `deployments.apps "web"`. */
export interface ResourceRef {
  group: string;
  plural: string;
}
const qualified = ({ group, plural }: ResourceRef): string => (group ? `${plural}.${group}` : plural);
const detailsOf = ({ group, plural }: ResourceRef, name: string): StatusDetails =>
  Object.assign({}, name && { name }, group && { group }, { kind: plural });

export const badRequest = (message: string): StatusError => new StatusError('BadRequest', message);
export const unauthorized = (message = 'Unauthorized'): StatusError => new StatusError('Unauthorized', message);
export const notFound = (resource: ResourceRef, name: string): StatusError =>
  new StatusError('NotFound', `${qualified(resource)} "${name}" not found`, { details: detailsOf(resource, name) });
/** A path that nothing serves. */
export const noSuchPath = (): StatusError =>
  new StatusError('NotFound', 'the server could not find the requested resource', { details: {} });
export const alreadyExists = (resource: ResourceRef, name: string): StatusError =>
  new StatusError('AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
    details: detailsOf(resource, name),
  });
export const conflict = (resource: ResourceRef, name: string, why: string): StatusError =>
  new StatusError('Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    details: detailsOf(resource, name),
  });
/** The text that every client matches when it must read again and retry. */
export const modified = (resource: ResourceRef, name: string): StatusError =>
  conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
export const forbidden = (resource: ResourceRef, name: string, why: string): StatusError =>
  new StatusError(
    'Forbidden',
    resource.plural ? `${qualified(resource)}${name ? ` "${name}"` : ''} is forbidden: ${why}` : `forbidden: ${why}`,
    { details: detailsOf(resource, name) },
  );
/** A path that is served, by other methods. */
export const methodNotAllowed = (): StatusError =>
  new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {},
  });
/** The same for custom kinds, whose paths have no routes of their own. */
export const methodNotSupported = (resource: ResourceRef, action: string): StatusError =>
  new StatusError('MethodNotAllowed', `${action} is not supported on resources of kind "${qualified(resource)}"`, {
    details: { ...(resource.group && { group: resource.group }), kind: resource.plural },
  });
export const expired = (message: string, continueToken?: string): StatusError =>
  new StatusError('Expired', message, continueToken ? { continueToken } : {});
export const tooManyRequests = (message: string, retryAfterSeconds: number): StatusError =>
  new StatusError('TooManyRequests', message, { details: { retryAfterSeconds } });
export const unsupportedMediaType = (message: string): StatusError => new StatusError('UnsupportedMediaType', message);
export const notAcceptable = (message: string): StatusError => new StatusError('NotAcceptable', message);
export const tooLarge = (message: string): StatusError => new StatusError('RequestEntityTooLarge', message);
export const internalError = (why: string, cause?: unknown): StatusError =>
  new StatusError('InternalError', `Internal error occurred: ${why}`, {
    details: { causes: [{ message: why }] },
    cause,
  });
export const serviceUnavailable = (message: string): StatusError => new StatusError('ServiceUnavailable', message);
export const timeout = (message: string, retryAfterSeconds = 0): StatusError =>
  new StatusError('Timeout', message, { details: { ...(retryAfterSeconds && { retryAfterSeconds }) } });

/** Told of one object. Upstream tells all, which makes an answer many times as long as what was sent. */
const MAX_ERRORS = 1000;

/** 422 with one cause a field error; the message lists them, as kubectl prints it. */
export function invalid(of: { group: string; kind: string }, name: string, all: readonly FieldError[]): StatusError {
  const errors = all.length > MAX_ERRORS ? all.slice(0, MAX_ERRORS) : all;
  const texts = errors.map(({ field, message }) => `${field}: ${message}`);
  const list = texts.length === 1 ? texts[0] : `[${[...new Set(texts)].join(', ')}]`;
  return new StatusError('Invalid', `${of.kind}${of.group ? `.${of.group}` : ''} "${name}" is invalid: ${list}`, {
    details: {
      ...(name && { name }),
      ...(of.group && { group: of.group }),
      kind: of.kind,
      causes: errors.map(({ reason, message, field }) => ({ reason, message, field })),
    },
  });
}
