/** The file behind `--kubelet-config`: read, judged, and kept as it was written. */
import { readFile, stat } from 'node:fs/promises';
import { parse, YAMLError } from 'yaml';
import { BadKubeletConfiguration, readKubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { type CliContext, UserError } from './context.ts';

const MOST_BYTES = 1024 * 1024;

/** @returns its fields. Fields that mean nothing here are named to the user. */
export async function kubeletConfigFile(context: CliContext, path: string): Promise<Record<string, unknown>> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file ${path}.`);
  if (found.size > MOST_BYTES) throw new UserError(`${path} is too large for a KubeletConfiguration.`);
  try {
    const fields = parse(await readFile(path, 'utf8'), { maxAliasCount: 100 }) as Record<string, unknown>;
    const { ignored } = readKubeletConfiguration(fields);
    if (ignored.length > 0) context.note(`${path}: set for other kubelets, without effect here: ${ignored.join(', ')}`);
    return fields;
  } catch (error) {
    if (error instanceof BadKubeletConfiguration || error instanceof YAMLError)
      throw new UserError(`${path}: ${error.message}`);
    throw error;
  }
}
