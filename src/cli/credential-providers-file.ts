/** The file behind `--image-credential-provider-config`: read, judged, and kept as it was written. */
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse, YAMLError } from 'yaml';
import { BadCredentialProviderConfig, credentialProviders } from '#api/kubelet-config/credential-provider-config.ts';
import type { ClusterSettings } from '#node/machine/cluster-dir.ts';
import { UserError } from './context.ts';

export interface CredentialProviderOptions {
  imageCredentialProviderConfig?: string;
  imageCredentialProviderBinDir?: string;
}

const MOST_BYTES = 1024 * 1024;

/** Throws UserError; also when one of the two is missing, as upstream's kubelet, or a program of it is. */
export async function credentialProvidersFile({
  imageCredentialProviderConfig: file,
  imageCredentialProviderBinDir: folder,
}: CredentialProviderOptions): Promise<Pick<ClusterSettings, 'credentialProviders'>> {
  if (file === undefined && folder === undefined) return {};
  if (file === undefined || folder === undefined) {
    throw new UserError('--image-credential-provider-config and --image-credential-provider-bin-dir go together.');
  }
  if (!(await sizeOf(folder))) throw new UserError(`plugin binary directory ${folder} did not exist`);
  const bytes = (await sizeOf(file)) ?? 0;
  if (bytes === 0 || bytes > MOST_BYTES) throw new UserError(`unable to access path ${JSON.stringify(file)}`);
  const configuration = await configurationIn(file);
  for (const { name } of configuration.providers) {
    const program = join(folder, name);
    if ((await sizeOf(program)) === undefined) throw new UserError(`plugin binary executable ${program} did not exist`);
  }
  return { credentialProviders: { configuration: configuration.fields, folder: resolve(folder) } };
}

async function configurationIn(file: string) {
  try {
    const fields = parse(await readFile(file, 'utf8'), { maxAliasCount: 100 }) as Record<string, unknown>;
    return { fields, providers: credentialProviders(fields) };
  } catch (error) {
    if (error instanceof BadCredentialProviderConfig || error instanceof YAMLError)
      throw new UserError(`${file}: ${error.message}`);
    throw error;
  }
}

const sizeOf = async (path: string): Promise<number | undefined> => (await stat(path).catch(() => undefined))?.size;
