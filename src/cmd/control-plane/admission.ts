/** From the flags and files of the API server to the admission plugins that run. */
import { dirname, resolve } from 'node:path';
import { parseAdmissionConfiguration } from '#control-plane/apiserver/admission/admission-configuration.ts';
import { type ChosenPlugins, problemsOfChoice } from '#control-plane/apiserver/admission/chosen-plugins.ts';
import { type ApiServerFlags, FlagError, readNamedFile } from './api-server-flags.ts';

const CONFIG = 'admission-control-config-file';

/** Throws FlagError. */
export function chosenPlugins(flags: ApiServerFlags): ChosenPlugins {
  const enabled = flags.list('enable-admission-plugins');
  const disabled = flags.list('disable-admission-plugins');
  const problems = problemsOfChoice({ enabled, disabled });
  if (problems.length > 0) throw new FlagError(problems.join('; '));
  return { enabled, disabled, configuration: flags.has(CONFIG) ? configurationOf(flags) : {} };
}

/** Paths in the file are relative to it. */
function configurationOf(flags: ApiServerFlags): ChosenPlugins['configuration'] {
  const path = flags.text(CONFIG);
  const read = (named: string) => readNamedFile(resolve(dirname(path), named), `--${CONFIG}`);
  try {
    return parseAdmissionConfiguration(flags.file(CONFIG), read);
  } catch (error) {
    if (error instanceof FlagError) throw error;
    throw new FlagError(`failed to read plugin config: ${path}: ${(error as Error).message}`);
  }
}
