/**
 * Authorities and keys of a cluster that has another control plane already: they are its folder `pki`, or that of a cluster of
 * kubeadm, whose names of files they have. A second control plane of one etcd must have the same: else tokens and certificates
 * that one gives out are nothing to the other.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from './context.ts';

const FILES = ['ca.crt', 'ca.key', 'front-proxy-ca.crt', 'front-proxy-ca.key', 'sa.key'] as const;
const PAIRS = ['ca', 'front-proxy-ca'] as const;
const MOST_BYTES = 65_536;

/** Texts by the name of the file. */
export type Authorities = ReadonlyMap<string, string>;

/** Throws UserError. */
export async function authoritiesIn(folder: string): Promise<Authorities> {
  const found = new Map<string, string>();
  for (const name of FILES) found.set(name, await textOf(join(folder, name)));
  for (const pair of PAIRS)
    if (!fits(found.get(`${pair}.crt`)!, found.get(`${pair}.key`)!))
      throw new UserError(`${join(folder, pair)}.crt and .key do not belong together, or are no certificate and key.`);
  return found;
}

async function textOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file ${path}. The folder must have ${FILES.join(', ')}.`);
  if (found.size > MOST_BYTES) throw new UserError(`${path} is too large for a certificate or a key.`);
  return readFile(path, 'utf8');
}

function fits(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Throws UserError for a cluster that has others: what it has signed would no longer be known. */
export async function refuseOtherAuthorities(own: string, authorities: Authorities): Promise<void> {
  for (const [name, text] of authorities) {
    const there = await readFile(join(own, name), 'utf8').catch(() => undefined);
    if (there !== undefined && there !== text)
      throw new UserError(
        `${join(own, name)} is another one already. Only a new cluster takes over authorities and keys.`,
      );
  }
}

/** All of them, or none; readable by the owner alone. */
export async function takeOverAuthorities(own: string, authorities: Authorities): Promise<void> {
  if (await stat(own).catch(() => undefined)) return; // they are the same: see above
  const draft = `${own}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  for (const [name, text] of authorities) {
    const file = await open(join(draft, name), 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await rename(draft, own);
}
