/** Control planes of one etcd must have the same authorities. */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';
import type { Pki } from '../pki/pki.ts';
import { FlagError } from './api-server-flags.ts';

/** Where each of them writes whom it believes. */
const AT = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

/** Throws FlagError before anything is written: what the others have signed would be nothing here, and ours nothing there. */
export async function refuseOtherAuthorities(
  client: Client,
  { caCertificate, frontProxyCaCertificate }: Pick<Pki, 'caCertificate' | 'frontProxyCaCertificate'>,
): Promise<void> {
  const { data = {} } = await knownAuthorities(client);
  const isOther = (name: string, own: string) => data[name] !== undefined && data[name]?.trim() !== own.trim();
  if (!isOther('client-ca-file', caCertificate) && !isOther('requestheader-client-ca-file', frontProxyCaCertificate))
    return;
  throw new FlagError(
    '--etcd-servers: the cluster in this etcd has other authorities than this control plane; ' +
      'begin it anew with `--pki-dir`, the folder `pki` of one that has them',
  );
}

async function knownAuthorities(client: Client): Promise<Pick<ConfigMap, 'data'>> {
  try {
    return await client.get(ConfigMap, AT);
  } catch (error) {
    if (hasReason(error, 'NotFound')) return {};
    throw error;
  }
}
