/** How a container runtime says no. */

export type RuntimeErrorCode =
  | 'NotFound'
  | 'DeadlineExceeded'
  | 'Unavailable'
  | 'Unimplemented'
  | 'InvalidArgument'
  | 'Unknown';

/** The runtime said no. The message is its own words and ends up in events. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export const hasRuntimeCode = (error: unknown, code: RuntimeErrorCode): error is RuntimeError =>
  error instanceof RuntimeError && error.code === code;
