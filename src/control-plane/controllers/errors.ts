/** Errors of controllers. */

/** A step cannot go on before the world has changed; it is tried again, with back-off. */
export class NotYet extends Error {
  readonly code = 'NotYet';
}
