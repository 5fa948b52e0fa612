/** The query that create, update and patch share. Source: meta/v1 CreateOptions; texts of apimachinery's validation. */
import { type FieldError, invalidValue, notSupportedValue } from '#api/machinery/field-error.ts';
import { invalid } from '#api/machinery/status.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface WriteOptions {
  dryRun: boolean;
  fieldValidation: FieldValidation;
}

const MAX_FIELD_MANAGER = 128;

/** Throws Invalid. `options` is the kind named in the error: CreateOptions, UpdateOptions, PatchOptions. */
export function writeOptionsOf(query: URLSearchParams, options: string): WriteOptions {
  if (query.size === 0) return NOTHING_ASKED;
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  const errors = [...dryRunErrors(query.getAll('dryRun')), ...managerErrors(query.get('fieldManager') ?? '')];
  if (!isFieldValidation(fieldValidation))
    errors.push(notSupportedValue('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: options }, '', errors);
  return { dryRun: isDryRun(query.getAll('dryRun')), fieldValidation: fieldValidation as FieldValidation };
}

const NOTHING_ASKED: WriteOptions = Object.freeze({ dryRun: false, fieldValidation: 'Warn' });

const isFieldValidation = (text: string): text is FieldValidation =>
  text === 'Ignore' || text === 'Warn' || text === 'Strict';

export const isDryRun = (values: readonly string[]): boolean => values.some((value) => value !== '');

export const dryRunErrors = (values: readonly string[]): FieldError[] =>
  values.some((value) => value !== '' && value !== 'All') ? [notSupportedValue('dryRun', values, ['All'])] : [];

function managerErrors(manager: string): FieldError[] {
  if (manager.length > MAX_FIELD_MANAGER)
    return [
      {
        reason: 'FieldValueTooLong',
        field: 'fieldManager',
        message: `Too long: may not be more than ${MAX_FIELD_MANAGER} bytes`,
      },
    ];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not printable is what is looked for
  return /[\u0000-\u001f\u007f-\u009f]/.test(manager)
    ? [invalidValue('fieldManager', manager, 'should only contain printable characters')]
    : [];
}
