/** The file behind `--cni-config`: read and kept as it was written. Source: CNI specification, "Network configuration format". */
import { readFile, stat } from 'node:fs/promises';
import { UserError } from './context.ts';

const MOST_BYTES = 256 * 1024;

/** Texts in it that are nothing but $POD_RANGE_IPV4, $POD_RANGE_IPV6, $STATE_DIR, $NODE_NAME or $MTU become each node's own values. */
export async function cniConfigFile(path: string): Promise<Record<string, unknown>> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file ${path}.`);
  if (found.size > MOST_BYTES) throw new UserError(`${path} is too large for a network configuration list.`);
  return listIn(path, await readFile(path, 'utf8'));
}

function listIn(path: string, text: string): Record<string, unknown> {
  try {
    const list = JSON.parse(text) as { name?: unknown; cniVersion?: unknown; plugins?: unknown } | null;
    const plugins = Array.isArray(list?.plugins) ? (list.plugins as { type?: unknown }[]) : [];
    const isList = typeof list?.name === 'string' && typeof list.cniVersion === 'string' && plugins.length > 0;
    if (isList && plugins.every((plugin) => typeof plugin?.type === 'string')) return list as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(`${path}: ${error.message}`);
  }
  throw new UserError(
    `${path} is no network configuration list: it needs cniVersion, name, and plugins with a type each.`,
  );
}
