/** Where a listing in pages goes on. The form is upstream's (apiserver, storage/continue.go): opaque to clients, all the same. */
import { badRequest, expired, type StatusError } from '#api/machinery/status.ts';
import type { Revision } from '#control-plane/storage/storage.ts';

const VERSION = 'meta.k8s.io/v1';
const INCONSISTENT = -1;

export interface ContinueAt {
  /** The last key that was given out, behind the prefix. */
  after: string;
  /** undefined: go on in whatever there is now. */
  revision: Revision | undefined;
}

export function encodeContinue({ after, revision }: ContinueAt): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: revision ?? INCONSISTENT, start: `${after}\0` })).toString(
    'base64url',
  );
}

/** @throws BadRequest */
export function decodeContinue(token: string): ContinueAt {
  const { v, rv, start } = parse(token);
  if (v !== VERSION) throw invalidToken('encoded start resource version is not supported');
  if (typeof start !== 'string' || start === '') throw invalidToken('encoded start key is empty');
  // A key that leads out of its prefix would show what the asker was not asked about.
  if (start.startsWith('/') || start.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw invalidToken(start);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv < INCONSISTENT) {
    throw invalidToken('incorrect encoded start resourceVersion');
  }
  return { after: start.endsWith('\0') ? start.slice(0, -1) : start, revision: rv === INCONSISTENT ? undefined : rv };
}

/** The snapshot of this listing is gone; the token in the answer goes on without one. */
export const snapshotGone = (at: ContinueAt): StatusError =>
  expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
    encodeContinue({ ...at, revision: undefined }),
  );

function parse(token: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalidToken('it cannot be decoded');
}

const invalidToken = (why: string): StatusError =>
  badRequest(`invalid continue token: continue key is not valid: ${why}`);
