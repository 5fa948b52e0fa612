import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, test } from 'vitest';
import { pemOf } from '#api/certificates/v1/pem.ts';
import { selfSigned } from '#cmd/pki/certificate.ts';
import { problemOfKeyPair } from './key-pair.ts';

const pair = () => selfSigned({ commonName: 'a', notBeforeMs: 0, notAfterMs: 2e12, usage: 'server' });
const { certificate, key } = pair();
const other = pair();
const pemOfKey = (one: KeyObject, type: 'pkcs1' | 'pkcs8' | 'sec1' = 'pkcs8') =>
  one.export({ type: type as 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ofCurve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
const encrypted = ofCurve('P-256')
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'a' })
  .toString();

// Each as Go 1.26 says of the same input.
test.each<[string, string, string, string | undefined]>([
  ['a pair', certificate, key, undefined],
  ['a pair among other blocks', `${pemOf('A', Buffer.from('a'))}${certificate}${other.certificate}`, key, undefined],
  ['a key behind its parameters', certificate, `${pemOf('EC PARAMETERS', Buffer.from('a'))}${key}`, undefined],
  ['nothing', '', '', 'tls: failed to find any PEM data in certificate input'],
  ['no PEM', 'cert', 'key', 'tls: failed to find any PEM data in certificate input'],
  ['no key', certificate, 'key', 'tls: failed to find any PEM data in key input'],
  [
    'each in the place of the other',
    key,
    certificate,
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ],
  [
    'a certificate as key',
    certificate,
    certificate,
    'tls: found a certificate rather than a key in the PEM for the private key',
  ],
  [
    'something else as certificate',
    `${pemOf('A', Buffer.from('a'))}${pemOf('B B', Buffer.from('a'))}`,
    key,
    'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [A B B]',
  ],
  [
    'something else as key',
    certificate,
    pemOf('PUBLIC KEY', Buffer.from('a')),
    'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [PUBLIC KEY]',
  ],
  ['a broken certificate', pemOf('CERTIFICATE', Buffer.from('a')), key, 'x509: malformed certificate'],
  ['a broken key', certificate, pemOf('PRIVATE KEY', Buffer.from('a')), 'tls: failed to parse private key'],
  ['an encrypted key', certificate, encrypted, 'tls: failed to parse private key'],
  ['a key on another curve', certificate, pemOfKey(ofCurve('secp256k1')), 'tls: failed to parse private key'],
  [
    'a key to agree with',
    certificate,
    pemOfKey(generateKeyPairSync('x25519').privateKey),
    'tls: found unknown private key type in PKCS#8 wrapping',
  ],
  ['the key of another', certificate, other.key, 'tls: private key does not match public key'],
  [
    'a key of another form',
    certificate,
    pemOfKey(ofCurve('P-384'), 'sec1'),
    'tls: private key does not match public key',
  ],
  ['RSA', certificate, pemOfKey(rsa), 'tls: private key type does not match public key type'],
  [
    'RSA in its own form, called otherwise',
    certificate,
    pemOf('EC PRIVATE KEY', rsa.export({ type: 'pkcs1', format: 'der' })),
    'tls: private key type does not match public key type',
  ],
])('%s', (_, cert, secret, problem) => {
  expect(problemOfKeyPair(cert, secret)).toBe(problem);
});
