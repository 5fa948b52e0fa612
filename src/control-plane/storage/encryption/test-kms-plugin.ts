import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { type Encrypted, type KmsMethods, kmsMethods } from './kms-api.ts';

/** What a key management plugin does, for tests. Seals with AES in counter mode under a key per id. */
export class TestKmsPlugin {
  keyId = 'key-1';
  healthz = 'ok';
  version = 'v2';
  annotations: Record<string, Buffer> = { 'kms.example.com': Buffer.from('local') };
  /** How often for its status. */
  asked = 0;
  decrypted = 0;
  refusesToOpen = false;
  readonly #keys = new Map<string, Buffer>();
  readonly #server = new Server();
  readonly #folder = mkdtempSync(join(tmpdir(), 'kedge-kms-'));
  readonly endpoint = `unix://${this.#folder}/kms.sock`;

  #keyFor(id: string): Buffer {
    const key = this.#keys.get(id) ?? randomBytes(32);
    this.#keys.set(id, key);
    return key;
  }

  async start(): Promise<this> {
    const { status: getStatus, encrypt, decrypt }: KmsMethods = kmsMethods();
    this.#server.addService(
      { Status: getStatus, Encrypt: encrypt, Decrypt: decrypt },
      {
        Status: (_call: unknown, answer: (error: null, value: object) => void) => {
          this.asked++;
          answer(null, { version: this.version, healthz: this.healthz, key_id: this.keyId });
        },
        Encrypt: ({ request }: { request: { plaintext: Buffer } }, answer: (error: null, value: Encrypted) => void) => {
          const vector = randomBytes(16);
          const cipher = createCipheriv('aes-256-ctr', this.#keyFor(this.keyId), vector);
          const ciphertext = Buffer.concat([vector, cipher.update(request.plaintext), cipher.final()]);
          answer(null, { ciphertext, key_id: this.keyId, annotations: this.annotations });
        },
        Decrypt: (
          { request }: { request: Encrypted },
          answer: (error: object | null, value?: { plaintext: Buffer }) => void,
        ) => {
          this.decrypted++;
          if (this.refusesToOpen || request.annotations['kms.example.com']?.toString() !== 'local')
            return answer({ code: status.INVALID_ARGUMENT, details: 'not mine' });
          const cipher = createDecipheriv(
            'aes-256-ctr',
            this.#keyFor(request.key_id),
            request.ciphertext.subarray(0, 16),
          );
          answer(null, { plaintext: Buffer.concat([cipher.update(request.ciphertext.subarray(16)), cipher.final()]) });
        },
      },
    );
    await new Promise<void>((resolve, reject) =>
      this.#server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
