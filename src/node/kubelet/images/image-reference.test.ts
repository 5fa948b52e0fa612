import { expect, test } from 'vitest';
import { invalidReference } from './image-reference.ts';

const HEX = 'a'.repeat(64);

test.each([
  'nginx',
  'nginx:1.27',
  'team/web',
  'localhost/web',
  'localhost:5000/web:1',
  'reg.example.com:8080/a/b__c/d-e.f:Tag_1.0-x',
  `web@sha256:${HEX}`,
  `reg.example.com/web:1@sha512:${HEX}${HEX}`,
  `sha256:${HEX}`,
  '[::1]:5000/web',
  'HOST.example.com/web',
])('%s is a name', (image) => {
  expect(invalidReference(image)).toBeUndefined();
});

test.each([
  ['', 'invalid reference format'],
  ['web:', 'invalid reference format'],
  ['web:a b', 'invalid reference format'],
  [' web', 'invalid reference format'],
  ['a//b', 'invalid reference format'],
  ['-web', 'invalid reference format'],
  ['../etc', 'invalid reference format'],
  [`web:${'a'.repeat(129)}`, 'invalid reference format'],
  ['Web:1', 'invalid reference format: repository name (library/Web) must be lowercase'],
  ['reg.example.com/Team/web:1', 'invalid reference format: repository name (Team/web) must be lowercase'],
  [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
  ['a'.repeat(256), 'repository name must not be more than 255 characters'],
  [`web@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
  [`web@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
  [`web@sha256:${'A'.repeat(64)}`, 'invalid checksum digest format'],
  ['x'.repeat(100_000), 'invalid reference format'],
])('%j is none', (image, why) => {
  expect(invalidReference(image)).toBe(why);
});
