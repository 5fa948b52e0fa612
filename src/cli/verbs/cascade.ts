/** `--cascade`: what becomes of the dependents of what is deleted. Source: kubectl, delete flags. */
import type { Flags } from './flags.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

/** The booleans are from before there were three ways. */
const POLICIES: ReadonlyMap<string, string> = new Map([
  ['background', 'Background'],
  ['true', 'Background'],
  ['foreground', 'Foreground'],
  ['orphan', 'Orphan'],
  ['false', 'Orphan'],
]);

/** For DeleteOptions. Throws VerbError for what is no way. */
export function propagationPolicyOf(flags: Flags): string {
  const cascade = flags.string('cascade');
  const policy = POLICIES.get(cascade);
  if (!policy)
    throw new VerbError(`invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`);
  return policy;
}

/** Before anything is asked of the server. Throws as `propagationPolicyOf` does. */
export function warnOfBooleanCascade({ flags, io }: VerbCall): void {
  const cascade = flags.string('cascade');
  const instead = propagationPolicyOf(flags).toLowerCase();
  if (cascade === 'true' || cascade === 'false')
    io.err(
      `warning: --cascade=${cascade} is deprecated (boolean value) and can be replaced with --cascade=${instead}.\n`,
    );
}
