/**
 * Users by client certificate: the common name is the user, each organization a group. One of the authorities has signed the
 * certificate, or an intermediate authority that the client shows with it. TLS has seen to it that the client has the key of
 * the certificate, and to nothing else.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { unauthorized } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authenticated, Authenticator, Credentials } from './authenticator.ts';
import { CertificatePaths, type Validity } from './certificate-paths.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What a certificate of one of the authorities says. */
export interface KnownCertificate {
  commonName: string;
  organizations: readonly string[];
  user: UserInfo;
  /** One for each way to an authority: it is good while one of them is. */
  validities: readonly Validity[];
}

/** Tells certificates that some authorities have signed for clients. */
export class ClientCertificates {
  readonly #paths: CertificatePaths;
  readonly #clock: Clock;
  /** By connection, as long as the server keeps its certificate: a signature is checked once. undefined: not good. */
  readonly #known = new WeakMap<X509Certificate, KnownCertificate | { refused: string }>();

  /** `authorities`: PEM, any number of certificates each, or DER of one. */
  constructor({ authorities, clock }: { authorities: readonly (string | Uint8Array)[]; clock: Clock }) {
    this.#paths = new CertificatePaths(authorities.flatMap(certificatesIn));
    this.#clock = clock;
  }

  /** undefined when somebody else has signed it, or not for clients. Throws Unauthorized outside its time. */
  known(certificate: X509Certificate): KnownCertificate | undefined {
    const known = this.#known.get(certificate) ?? this.#examine(certificate);
    this.#known.set(certificate, known);
    if ('refused' in known) return undefined;
    const nowMs = this.#clock.now();
    if (!known.validities.some((one) => nowMs >= one.notBeforeMs && nowMs <= one.notAfterMs)) throw unauthorized();
    return known;
  }

  #examine(certificate: X509Certificate): KnownCertificate | { refused: string } {
    const validities = this.#paths.of(certificate);
    if (validities.length === 0) return { refused: 'signed by an unknown authority, or not for clients' };
    const { commonName, organizations } = namesIn(certificate);
    const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
    return {
      commonName,
      organizations,
      user: {
        name: commonName,
        groups: organizations,
        extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
      },
      validities,
    };
  }
}

/** Throws Error when there is none, or one cannot be read. */
export function certificatesIn(authorities: string | Uint8Array): X509Certificate[] {
  if (typeof authorities !== 'string') return [new X509Certificate(authorities)];
  const found = authorities.match(CERTIFICATE);
  if (!found) throw new Error('there is no certificate of an authority');
  return found.map((pem) => new X509Certificate(pem));
}

export class ClientCertificateAuthenticator implements Authenticator {
  readonly #certificates: ClientCertificates;

  constructor(options: ConstructorParameters<typeof ClientCertificates>[0]) {
    this.#certificates = new ClientCertificates(options);
  }

  /** Throws Unauthorized for a certificate of nobody known. */
  authenticate({ clientCertificate }: Credentials): Authenticated | undefined {
    if (!clientCertificate) return undefined;
    const known = this.#certificates.known(clientCertificate);
    if (!known?.commonName) throw unauthorized();
    return { user: known.user };
  }
}

/** Not from `subject`, which is text made for people: a name may hold anything. */
function namesIn(certificate: X509Certificate): { commonName: string; organizations: string[] } {
  const { subject } = certificate.toLegacyObject();
  return { commonName: listOf(subject.CN).at(-1) ?? '', organizations: listOf(subject.O) };
}

const listOf = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
