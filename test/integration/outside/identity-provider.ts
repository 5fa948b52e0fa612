/** An OpenID Connect provider: its discovery document, its keys, and tokens that it signs. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { type HttpsService, startHttpsService } from './https-service.ts';

type Pair = { id: string; privateKey: KeyObject; publicKey: KeyObject };

export interface IdentityProvider extends HttpsService {
  /** Signed for an hour from now, unless the claims say otherwise. */
  token(claims: object, options?: { alg?: string; kid?: string }): Promise<string>;
  /** From now on it signs with another key, and no longer knows the old one. */
  rotate(): void;
  /** Answers each path with this instead, and those that do not bear the token with 403. */
  instead: Map<string, { code: number; headers?: Record<string, string>; body?: string; bearer?: string }>;
}

let counter = 0;

function newPair(): Pair {
  return { id: `key-${++counter}`, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
}

export async function startIdentityProvider(): Promise<IdentityProvider> {
  let pair = newPair();
  const instead: IdentityProvider['instead'] = new Map();
  const service: HttpsService = await startHttpsService((request, response) => {
    const other = instead.get(request.url ?? '');
    if (other?.bearer && request.headers.authorization !== `Bearer ${other.bearer}`)
      return void response.writeHead(403).end();
    if (other) return void response.writeHead(other.code, other.headers).end(other.body);
    const json = (body: object) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/.well-known/openid-configuration')
      return void json({ issuer: service.url, jwks_uri: `${service.url}/keys` });
    if (request.url === '/keys') {
      const { id, publicKey } = pair;
      return void exportJWK(publicKey).then((jwk) => json({ keys: [{ ...jwk, kid: id, use: 'sig', alg: 'RS256' }] }));
    }
    response.writeHead(404).end();
  });
  return {
    ...service,
    instead,
    rotate() {
      pair = newPair();
    },
    token(claims, { alg = 'RS256', kid = pair.id } = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const all = { iss: service.url, aud: 'kedge', sub: 'jane', iat: nowSeconds, exp: nowSeconds + 3600, ...claims };
      return new SignJWT(all).setProtectedHeader({ alg, kid }).sign(pair.privateKey);
    },
  };
}
