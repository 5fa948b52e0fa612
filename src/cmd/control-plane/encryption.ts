/** From --encryption-provider-config to a store whose values are sealed as it says. */
import { catalog } from '#api/catalog.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { HealthCheck } from '#control-plane/apiserver/http/health.ts';
import type { KmsProvider } from '#control-plane/storage/encryption/kms-provider.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { systemClock } from '../system-clock.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import { watchConfiguration } from './watched-file.ts';

const FLAG = 'encryption-provider-config';

export interface Encryption {
  storage: Storage;
  /** Of the plugins that keys are kept with. */
  checks: readonly HealthCheck[];
  close(): void;
}

/** The store itself when nothing is to be sealed. Throws FlagError. */
export async function openEncryption(
  base: Storage,
  { flags, log, reloadMs }: { flags: ApiServerFlags; log: Log; reloadMs?: number },
): Promise<Encryption> {
  if (!flags.has(FLAG)) return { storage: base, checks: [], close: () => undefined };
  // Ciphers that Node.js does not have are loaded only where values are sealed.
  const { ciphersByKey, parseEncryption } = await import(
    '#control-plane/apiserver/encryption/encryption-configuration.ts'
  );
  const { EncryptedStorage } = await import('#control-plane/storage/encryption/encrypted-storage.ts');
  const { connectKmsPlugin } = await import('#control-plane/storage/encryption/kms-plugin.ts');
  const { KmsProvider } = await import('#control-plane/storage/encryption/kms-provider.ts');
  const rulesIn = async (text: string, ready: (provider: KmsProvider) => Promise<void>) => {
    const providers: KmsProvider[] = [];
    try {
      const rules = parseEncryption(text, ({ name, ...endpoint }) => {
        const plugin = connectKmsPlugin({ ...endpoint, clock: systemClock });
        const provider = new KmsProvider({ name, plugin, clock: systemClock });
        providers.push(provider);
        return provider.cipher();
      });
      await Promise.all(providers.map(ready));
      return { ciphersOf: ciphersByKey(rules, catalog), providers };
    } catch (error) {
      closeAll(providers);
      throw error;
    }
  };

  const path = flags.text(FLAG);
  const text = flags.file(FLAG);
  let used = await usable(() => rulesIn(text, (provider) => prime(provider, log)), path);
  const storage = new EncryptedStorage(base, used.ciphersOf);
  const follow = () => {
    for (const provider of used.providers)
      provider.onKeyChange = () => {
        log.info('a KMS plugin has another key', { provider: provider.name });
        storage.configure(used.ciphersOf);
      };
  };
  follow();
  const probing = setInterval(() => void probe(used.providers, log), PROBE_MS);
  probing.unref();
  const isReloading = flags.boolean(`${FLAG}-automatic-reload`, false);
  let isClosed = false;
  const reload = async (changed: string) => {
    // What was before stays while a plugin is not well.
    const next = await rulesIn(changed, (provider) => provider.check());
    if (isClosed) return closeAll(next.providers);
    const before = used;
    used = next;
    follow();
    storage.configure(used.ciphersOf);
    closeAll(before.providers);
  };
  const watched = { path, what: `--${FLAG}`, text, reload, log, ...(reloadMs && { intervalMs: reloadMs }) };
  const stop = isReloading ? watchConfiguration(watched) : () => undefined;
  return {
    storage,
    checks: isReloading
      ? [checkOf('kms-providers', async () => void (await Promise.all(used.providers.map((one) => one.check()))))]
      : used.providers.map((provider, i) => checkOf(`kms-provider-${i}`, () => provider.check())),
    close() {
      clearInterval(probing);
      stop();
      isClosed = true;
      closeAll(used.providers);
    },
  };
}

function closeAll(providers: readonly KmsProvider[]): void {
  for (const provider of providers) provider.close();
}

const checkOf = (name: string, check: () => Promise<void>): HealthCheck => ({
  name,
  of: ['healthz', 'livez', 'readyz'],
  check,
});

/** A plugin that is not asked may be used for no more than three minutes. */
const PROBE_MS = 60_000;
const PRIMING_TRIES = 10;
const PRIMING_MS = 1_000;

/** One that does not answer keeps nobody from starting: /readyz says so, and nothing sealed is written until it does. */
async function prime(provider: KmsProvider, log: Log): Promise<void> {
  for (let left = PRIMING_TRIES; ; left--) {
    try {
      return await provider.check();
    } catch (error) {
      if (left === 1) return log.error('a KMS plugin is not healthy', { error: (error as Error).message });
      await sleep(systemClock, PRIMING_MS);
    }
  }
}

async function probe(providers: readonly KmsProvider[], log: Log): Promise<void> {
  for (const provider of providers) {
    try {
      await provider.check();
    } catch (error) {
      log.error('a KMS plugin is not healthy', { error: (error as Error).message });
    }
  }
}

async function usable<T>(read: () => Promise<T>, path: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new FlagError(`--${FLAG}: ${path} cannot be used: ${(error as Error).message}`);
  }
}
