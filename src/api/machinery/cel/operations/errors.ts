/** Errors that many operations give. */
import { CelError, typeOfValue, type Value } from '../value.ts';

export const NO_OVERLOAD = new CelError('no such overload');

export const noOverloadOf = (name: string, args: readonly Value[]): CelError =>
  new CelError(`no such overload: ${name}(${args.map((arg) => typeOfValue(arg).name).join(', ')})`);

const quoted = (type: string): string => `'${type}'`;

export const conversionError = (given: string, wanted: string): CelError =>
  new CelError(`type conversion error from ${quoted(given)} to ${quoted(wanted)}`);
