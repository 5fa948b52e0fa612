/** Who signs tokens of ServiceAccounts, and with which keys they are verified: keys of this server's own. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';

export interface VerificationKey {
  id: string;
  key: KeyObject;
  /** Such are not told of in the JWKS: tokens of earlier days only are signed with them. */
  isHidden?: boolean;
}

export interface TokenSigner {
  /** The whole token. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** Those with this id; it may have to be asked for. */
  keysWith(id: string): Promise<readonly VerificationKey[]>;
  /** All that are known now; the one that signs first. */
  keys(): readonly VerificationKey[];
  /** How long what `keys` says holds. */
  keysHoldSeconds(): number;
  /** Longer lives are not signed. */
  readonly maxLifeSeconds: number | undefined;
  /** Whether it signs tokens without an end, as they stand in Secrets. */
  readonly signsLegacy: boolean;
}

export interface SigningKeys {
  private: KeyObject;
  /** The one that belongs to it first. */
  public: readonly VerificationKey[];
}

/** Read once for all issuers that sign with them. PEM: an EC key on P-256, and keys of earlier days. */
export function signingKeysOf(privateKey: string, formerPublicKeys: readonly string[] = []): SigningKeys {
  const key = createPrivateKey(privateKey);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new Error('the key of service accounts must be an EC key on P-256');
  const keys = [createPublicKey(key), ...formerPublicKeys.map((pem) => createPublicKey(pem))];
  return { private: key, public: keys.map((one) => ({ id: keyIdOf(one), key: one })) };
}

/** As upstream has it. */
const HOLD_SECONDS = 3600;

export function ownSigner({ private: key, public: keys }: SigningKeys): TokenSigner {
  return {
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: keys[0]?.id ?? '' }).sign(key),
    keysWith: async (id) => keys.filter((one) => one.id === id),
    keys: () => keys,
    keysHoldSeconds: () => HOLD_SECONDS,
    maxLifeSeconds: undefined,
    signsLegacy: true,
  };
}

const ALGORITHMS: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

/** What a key is used with; undefined: with none that is taken. */
export function algorithmOf(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  return ALGORITHMS[key.asymmetricKeyDetails?.namedCurve ?? ''];
}

/** As upstream makes it: the same key has the same id everywhere. */
const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
