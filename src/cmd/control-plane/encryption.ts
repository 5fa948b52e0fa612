/** From --encryption-provider-config to a store whose values are sealed as it says. */
import { catalog } from '#api/catalog.ts';
import type { Log } from '#base/log.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import { watchConfiguration } from './watched-file.ts';

const FLAG = 'encryption-provider-config';

export interface Encryption {
  storage: Storage;
  close(): void;
}

/** The store itself when nothing is to be sealed. Throws FlagError. */
export async function openEncryption(
  base: Storage,
  { flags, log }: { flags: ApiServerFlags; log: Log },
): Promise<Encryption> {
  if (!flags.has(FLAG)) return { storage: base, close: () => undefined };
  // Ciphers that Node.js does not have are loaded only where values are sealed.
  const { ciphersByKey, parseEncryption } = await import(
    '#control-plane/apiserver/encryption/encryption-configuration.ts'
  );
  const { EncryptedStorage } = await import('#control-plane/storage/encryption/encrypted-storage.ts');
  const ciphersIn = (text: string) => ciphersByKey(parseEncryption(text), catalog);
  const path = flags.text(FLAG);
  const text = flags.file(FLAG);
  const storage = new EncryptedStorage(
    base,
    usable(() => ciphersIn(text), path),
  );
  if (!flags.boolean(`${FLAG}-automatic-reload`, false)) return { storage, close: () => undefined };
  const reload = (changed: string) => storage.configure(ciphersIn(changed));
  return { storage, close: watchConfiguration({ path, what: `--${FLAG}`, text, reload, log }) };
}

function usable<T>(read: () => T, path: string): T {
  try {
    return read();
  } catch (error) {
    throw new FlagError(`--${FLAG}: ${path} cannot be used: ${(error as Error).message}`);
  }
}
