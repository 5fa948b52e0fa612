/** Whether a key belongs to a certificate. Texts as Go's crypto/tls has them (X509KeyPair), which clients are shown. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { elementOf } from '#api/certificates/v1/der.ts';
import { pemBlocksIn } from '#api/certificates/v1/pem.ts';

/** Both PEM. undefined when they are a pair. */
export function problemOfKeyPair(certificate: string, key: string): string | undefined {
  const first = certificateIn(certificate);
  if (typeof first === 'string') return `tls: ${first}`;
  const der = keyIn(key);
  if (typeof der === 'string') return `tls: ${der}`;
  const known = publicKeyOf(first);
  if (typeof known === 'string') return known;
  const found = privateKeyOf(der);
  if (typeof found === 'string') return `tls: ${found}`;
  if (!KINDS.has(known.asymmetricKeyType)) return 'tls: unknown public key algorithm';
  if (known.asymmetricKeyType !== found.asymmetricKeyType)
    return 'tls: private key type does not match public key type';
  return createPublicKey(found).equals(known) ? undefined : 'tls: private key does not match public key';
}

const KINDS: ReadonlySet<unknown> = new Set(['rsa', 'ec', 'ed25519']);
/** Others Go does not read. */
const CURVES: ReadonlySet<unknown> = new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1']);

function certificateIn(text: string): Uint8Array | string {
  const blocks = pemBlocksIn(text);
  const found = blocks.find(({ type }) => type === 'CERTIFICATE');
  if (found) return found.bytes;
  const types = blocks.map(({ type }) => type);
  if (types.length === 0) return 'failed to find any PEM data in certificate input';
  if (types.length === 1 && types[0]!.endsWith('PRIVATE KEY'))
    return 'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  return `failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function keyIn(text: string): Uint8Array | string {
  const blocks = pemBlocksIn(text);
  const found = blocks.find(({ type }) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY'));
  if (found) return found.bytes;
  const types = blocks.map(({ type }) => type);
  if (types.length === 0) return 'failed to find any PEM data in key input';
  if (types.length === 1 && types[0] === 'CERTIFICATE')
    return 'found a certificate rather than a key in the PEM for the private key';
  return `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function publicKeyOf(der: Uint8Array): KeyObject | string {
  try {
    elementOf(der); // nothing behind it
    const key = new X509Certificate(der).publicKey;
    if (key.asymmetricKeyType === 'ec' && !CURVES.has(key.asymmetricKeyDetails?.namedCurve))
      return 'x509: unsupported elliptic curve';
    return key;
  } catch {
    return 'x509: malformed certificate'; // what is wrong with it nobody tells as Go does
  }
}

/** Whatever the block is called: some programs wrote one and meant another. */
function privateKeyOf(der: Uint8Array): KeyObject | string {
  for (const type of ['pkcs1', 'pkcs8', 'sec1'] as const) {
    const key = keyOf(der, type);
    if (!key) continue;
    if (KINDS.has(key.asymmetricKeyType)) return key;
    if (key.asymmetricKeyType === 'x25519') return 'found unknown private key type in PKCS#8 wrapping';
  }
  return 'failed to parse private key';
}

function keyOf(der: Uint8Array, type: 'pkcs1' | 'pkcs8' | 'sec1'): KeyObject | undefined {
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type });
    const isReadable = key.asymmetricKeyType !== 'ec' || CURVES.has(key.asymmetricKeyDetails?.namedCurve);
    return isReadable ? key : undefined;
  } catch {
    return undefined; // not of this form
  }
}
