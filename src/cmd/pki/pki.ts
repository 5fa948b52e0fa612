/**
 * The keys and certificates of one cluster, in one directory, with kubeadm's file names. Made on the first start, kept
 * over restarts, renewed when two thirds of their time are over. The CA itself is never replaced: that would cut off
 * every client.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { CertificateSigner } from '#control-plane/controllers/certificates/signing.ts';
import {
  type Authority,
  authorityOf,
  type CertificateRequest,
  type KeyPair,
  newKey,
  selfSigned,
  signedBy,
} from './certificate.ts';
import { readPrivate, writePrivate } from './private-file.ts';
import { certificateSignerOf } from './sign-request.ts';

const DAY_MS = 24 * 3_600_000;
const CA_LIFE_MS = 3650 * DAY_MS; // as kubeadm
const LEAF_LIFE_MS = 365 * DAY_MS;
const RENEW_BEFORE_MS = LEAF_LIFE_MS / 3;
const BACKDATED_MS = 5 * 60_000; // clocks of other machines may be behind

export interface ClientIdentity {
  user: string;
  groups?: readonly string[];
}

export interface ServerIdentity {
  commonName: string;
  organizations?: readonly string[];
  names: readonly string[];
  addresses: readonly string[];
}

export interface Pki {
  /** PEM: what every client trusts. */
  caCertificate: string;
  /** PEM: signs the client certificates of the aggregation layer. */
  frontProxyCaCertificate: string;
  /** PEM, on P-256 (ES256). */
  serviceAccountKey: { privateKey: string; publicKey: string };
  /** The same pair for the same name, until it must be renewed or something else is asked for. `name` is the file's. */
  issueServer(name: string, identity: ServerIdentity): KeyPair;
  issueClient(name: string, identity: ClientIdentity): KeyPair;
  /** Signed by the front proxy's CA. */
  issueFrontProxyClient(name: string, identity: ClientIdentity): KeyPair;
  /** Signs what others ask for with a key of their own. */
  certificateSigner: CertificateSigner;
}

/** Throws when the directory holds a CA that is broken or at its end: nothing is replaced behind the user's back. */
export function ensurePki({ directory, clock }: { directory: string; clock: Clock }): Pki {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const files = new PairFiles(directory, clock);
  const ca = files.ca('ca', 'kubernetes');
  const frontProxy = files.ca('front-proxy-ca', 'front-proxy-ca');
  const clientRequest = ({ user, groups = [] }: ClientIdentity) =>
    ({ commonName: user, organizations: groups, usage: 'client' }) as const;
  return {
    caCertificate: ca.certificate,
    frontProxyCaCertificate: frontProxy.certificate,
    serviceAccountKey: serviceAccountKeyIn(directory),
    issueServer: (name, identity) => files.leaf(name, ca, { ...identity, usage: 'server' }),
    issueClient: (name, identity) => files.leaf(name, ca, clientRequest(identity)),
    issueFrontProxyClient: (name, identity) => files.leaf(name, frontProxy, clientRequest(identity)),
    certificateSigner: certificateSignerOf(ca),
  };
}

function serviceAccountKeyIn(directory: string): Pki['serviceAccountKey'] {
  const path = join(directory, 'sa.key');
  let privateKey = readPrivate(path);
  if (!privateKey) {
    privateKey = newKey();
    writePrivate(path, privateKey, true);
  }
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  return { privateKey, publicKey };
}

type LeafRequest = Omit<CertificateRequest, 'notBeforeMs' | 'notAfterMs'>;

class PairFiles {
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  ca(name: string, commonName: string): Authority {
    const { certificate, key } = this.#read(name);
    if (certificate) {
      if (!key || !fits({ certificate, key }))
        throw new Error(`${this.#path(name)}.key is missing or not the CA's key`);
      if (Date.parse(new X509Certificate(certificate).validTo) <= this.#clock.now())
        throw new Error(`${this.#path(name)}.crt has expired`);
      return authorityOf({ certificate, key });
    }
    const request: LeafRequest = { commonName, names: [commonName], usage: 'ca' };
    const made = selfSigned({ ...request, ...this.#validity(CA_LIFE_MS) });
    this.#write(name, made, true);
    return authorityOf(made);
  }

  leaf(name: string, ca: Authority, request: LeafRequest): KeyPair {
    const { certificate, key } = this.#read(name);
    const kept = certificate && key ? { certificate, key } : undefined;
    if (kept && this.#isGood(kept, ca, request)) return kept;
    const made = signedBy(ca, { ...request, ...this.#validity(LEAF_LIFE_MS) });
    this.#write(name, made, false);
    return made;
  }

  #isGood(pair: KeyPair, ca: Authority, request: LeafRequest): boolean {
    if (!fits(pair)) return false;
    const certificate = new X509Certificate(pair.certificate);
    return (
      Date.parse(certificate.validTo) - this.#clock.now() > RENEW_BEFORE_MS &&
      certificate.verify(ca.publicKey) &&
      certificate.subject === subjectText(request) &&
      sameAlternativeNames(certificate, request)
    );
  }

  #validity(lifeMs: number) {
    const nowMs = this.#clock.now();
    return { notBeforeMs: nowMs - BACKDATED_MS, notAfterMs: nowMs + lifeMs };
  }

  #path(name: string): string {
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) throw new Error(`${name} cannot be the name of a certificate`);
    return join(this.#directory, name);
  }

  #read(name: string): Partial<KeyPair> {
    const path = this.#path(name);
    const [certificate, key] = [readPrivate(`${path}.crt`), readPrivate(`${path}.key`)];
    return { ...(certificate && { certificate }), ...(key && { key }) };
  }

  /** The key first: a certificate on disk means that its key is there. */
  #write(name: string, { certificate, key }: KeyPair, durable: boolean): void {
    writePrivate(`${this.#path(name)}.key`, key, durable);
    writePrivate(`${this.#path(name)}.crt`, certificate, durable);
  }
}

/** Whether both can be read and belong together. Anything else on disk is made anew. */
function fits({ certificate, key }: KeyPair): boolean {
  try {
    const publicKey = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' });
    return publicKey === createPublicKey(key).export({ type: 'spki', format: 'pem' });
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false; // OpenSSL could not read it
    throw error;
  }
}

const subjectText = ({ organizations = [], commonName }: LeafRequest): string =>
  [...organizations.map((one) => `O=${one}`), `CN=${commonName}`].join('\n');

/** Node writes `DNS:a, IP Address:10.0.0.1`; every name asked for must match, and nothing else may be there. */
function sameAlternativeNames(certificate: X509Certificate, { names = [], addresses = [] }: LeafRequest): boolean {
  const present = certificate.subjectAltName?.split(', ') ?? [];
  return (
    present.length === names.length + addresses.length &&
    names.every((name) => present.includes(`DNS:${name}`)) &&
    addresses.every((address) => certificate.checkIP(address) !== undefined)
  );
}
