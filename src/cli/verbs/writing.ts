/** What all commands share that write: dry runs, how strictly the server reads, and in whose name. */
import { type Flags, type FlagSpec, truthOf } from './flags.ts';
import { VerbError } from './verb-error.ts';

export type DryRun = 'none' | 'client' | 'server';

export const DRY_RUN_FLAG: FlagSpec = {
  name: 'dry-run',
  type: 'string',
  default: 'none',
  bare: 'unchanged',
  summary: 'none, server or client: only say what would be done',
};
export const VALIDATE_FLAG: FlagSpec = {
  name: 'validate',
  type: 'string',
  default: 'strict',
  bare: 'strict',
  summary: 'strict, warn or ignore: what is done about unknown and repeated fields',
};
export const fieldManagerFlag = (name: string): FlagSpec => ({
  name: 'field-manager',
  type: 'string',
  default: name,
  summary: 'in whose name fields are owned',
});

/** Throws VerbError for a value that there is not. */
export function dryRunOf(flags: Flags): DryRun {
  const value = flags.string('dry-run');
  if (value === 'none' || value === 'client' || value === 'server') return value;
  const truth = value === 'unchanged' ? true : truthOf(value); // the bare flag and yes or no: from before there were two ways
  if (truth !== undefined) return truth ? 'client' : 'none';
  throw new VerbError(`Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
}

/** Behind the operation that is told. */
export const dryRunNote = (dryRun: DryRun): string =>
  dryRun === 'none' ? '' : dryRun === 'client' ? ' (dry run)' : ' (server dry run)';

export type Validation = 'Strict' | 'Warn' | 'Ignore';

const VALIDATION: ReadonlyMap<string, Validation> = new Map<string, Validation>([
  ['strict', 'Strict'],
  ['warn', 'Warn'],
  ['ignore', 'Ignore'],
]);

/** What is done about unknown and repeated fields. Throws VerbError for a value that there is not. */
export function validationOf(flags: Flags): Validation {
  const given = flags.string('validate');
  const truth = truthOf(given);
  if (truth !== undefined) return truth ? 'Strict' : 'Ignore';
  const validation = VALIDATION.get(given);
  if (validation) return validation;
  throw new VerbError(
    `invalid - validate option ${JSON.stringify(given)}; must be one of: strict (or true), warn, ignore (or false)`,
  );
}

/** Query parameters of a write. */
export function writeQuery(
  flags: Flags,
  { dryRun, hasValidation = false }: { dryRun: DryRun; hasValidation?: boolean },
): Record<string, string> {
  return {
    ...(dryRun === 'server' && { dryRun: 'All' }),
    fieldManager: flags.string('field-manager'),
    ...(hasValidation && { fieldValidation: validationOf(flags) }),
  };
}
