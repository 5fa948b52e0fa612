/** Errors that many operations give. */
import { CelError, typeOfValue, type Value } from '../value.ts';

export const NO_OVERLOAD = new CelError('no such overload');

export const noOverloadOf = (name: string, args: readonly Value[]): CelError =>
  new CelError(`no such overload: ${name}(${args.map((arg) => typeOfValue(arg).name).join(', ')})`);

export const conversionError = (from: string, to: string): CelError =>
  new CelError(`type conversion error from '${from}' to '${to}'`);
