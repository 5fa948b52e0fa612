/** A key management plugin behind a Unix socket of this machine. Source: KEP-3299. */
import { randomUUID } from 'node:crypto';
import { type Annotated, type Encrypted, type KmsStatus, kmsMethods } from './kms-api.ts';
import { connectPlugin, type PluginEndpoint } from './plugin-socket.ts';

export interface KmsPlugin {
  status(): Promise<KmsStatus>;
  encrypt(plaintext: Uint8Array): Promise<Encrypted>;
  decrypt(ciphertext: Uint8Array, annotated: Annotated): Promise<Uint8Array>;
  close(): void;
}

export interface KmsEndpoint extends PluginEndpoint {
  timeoutMs: number;
}

export function connectKmsPlugin({ timeoutMs, ...endpoint }: KmsEndpoint): KmsPlugin {
  const methods = kmsMethods();
  const socket = connectPlugin(endpoint);
  const terms = { timeoutMs };
  return {
    status: () => socket.call(methods.status, {}, terms),
    encrypt: (plaintext) => socket.call(methods.encrypt, { plaintext, uid: randomUUID() }, terms),
    async decrypt(ciphertext, annotated) {
      const request = { ciphertext, uid: randomUUID(), ...annotated };
      return (await socket.call(methods.decrypt, request, terms)).plaintext;
    },
    close: () => socket.close(),
  };
}
