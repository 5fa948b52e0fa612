/**
 * A certificate of the kubelet, renewed before it ends: a new key, a CertificateSigningRequest, and when somebody has signed
 * it, the pair is put in the old one's place. Source: "Certificate Rotation"; client-go's certificate manager.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import type { CertificateSigningRequestSpec } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client, Draft } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';

/** One of the kubelet's certificates, and where it lies. All texts are PEM. */
export interface RotatedCertificate {
  /** The one that is in use. */
  current(): string;
  /** A new key, and a request signed with it for the same subject and names. */
  request(): { key: string; request: string };
  /** From now on this one is used. Connections that were made with the old one go on. */
  install(pair: { certificate: string; key: string }): Promise<void>;
}

export interface CertificateRotationOptions {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  signerName: string;
  purpose: 'client auth' | 'server auth';
  certificate: RotatedCertificate;
}

/** A timer cannot be set for longer, and clocks jump. */
const LOOK_AT_LEAST_MS = 24 * 3_600_000;
const POLL_MS = { least: 1_000, most: 15_000 };
const PATIENCE_MS = 15 * 60_000;
const RETRY_MS = { least: 10_000, most: 5 * 60_000 };

class NotSigned extends Error {}

export class CertificateRotation {
  readonly #options: CertificateRotationOptions;

  constructor(options: CertificateRotationOptions) {
    this.#options = options;
  }

  /** Goes on until the signal. */
  async run(): Promise<void> {
    const { clock, signal, log, certificate } = this.#options;
    let dueAtMs = this.#dueAtMs(certificate.current());
    let waitMs = RETRY_MS.least;
    while (!signal.aborted) {
      const leftMs = dueAtMs - clock.now();
      if (leftMs > 0) {
        await this.#sleep(Math.min(leftMs, LOOK_AT_LEAST_MS));
        continue;
      }
      try {
        await this.#renew();
        dueAtMs = this.#dueAtMs(certificate.current());
        waitMs = RETRY_MS.least;
      } catch (error) {
        if (signal.aborted) return;
        const isExpected = [NotSigned, StatusError, Unreachable].some((kind) => error instanceof kind);
        if (!isExpected && !(error instanceof Error && 'code' in error)) throw error;
        log.warn('a certificate could not be renewed', {
          signer: this.#options.signerName,
          error: (error as Error).message,
        });
        await this.#sleep(waitMs);
        waitMs = Math.min(waitMs * 2, RETRY_MS.most);
      }
    }
  }

  /** Between 70 % and 90 % of its life, so that not all nodes come at once. */
  #dueAtMs(pem: string): number {
    const { validFrom, validTo } = new X509Certificate(pem);
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
    return from + (to - from) * (0.7 + 0.2 * this.#options.random.next());
  }

  async #renew(): Promise<void> {
    const { client, certificate, signerName, purpose, log } = this.#options;
    const { key, request } = certificate.request();
    const usages: CertificateSigningRequestSpec['usages'] = ['digital signature', purpose];
    const made = await client.create(CertificateSigningRequest, {
      metadata: { generateName: 'csr-' },
      spec: { request: Buffer.from(request).toString('base64'), signerName, usages },
    } as unknown as Draft<CertificateSigningRequest>);
    const signed = await this.#signed(made.metadata.name);
    if (new X509Certificate(signed).publicKey.equals(createPublicKey(key)) !== true)
      throw new NotSigned('the certificate that was issued is for another key');
    await certificate.install({ certificate: signed, key });
    log.info('a certificate was renewed', { signer: signerName, until: new X509Certificate(signed).validTo });
  }

  /** PEM. @throws NotSigned when it was refused, or nobody cared for a quarter of an hour */
  async #signed(name: string): Promise<string> {
    const { client, clock, signal } = this.#options;
    const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
    for (let waitMs = POLL_MS.least; clock.monotonicMs() < deadlineMs; waitMs = Math.min(waitMs * 2, POLL_MS.most)) {
      await this.#sleep(waitMs);
      signal.throwIfAborted();
      const { status } = await client.get(CertificateSigningRequest, { name });
      const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
      if (refusal) throw new NotSigned(`${refusal.type}: ${refusal.reason}: ${refusal.message}`);
      if (status?.certificate) return Buffer.from(status.certificate, 'base64').toString('utf8');
    }
    throw new NotSigned(`${name} was not signed within ${PATIENCE_MS / 60_000} minutes`);
  }

  async #sleep(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    await sleep(clock, ms, signal).catch(() => undefined); // aborted: the loop ends
  }
}
