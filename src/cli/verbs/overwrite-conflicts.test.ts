import { expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { ManifestObject } from './manifests.ts';
import { mergedOf } from './apply.ts';
import { refuseConflicts } from './overwrite-conflicts.ts';

const POD = { group: '', version: 'v1', kind: 'Pod' };
const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec }) as ManifestObject;
const image = (value: string) => ({ containers: [{ name: 'c', image: value }] });

test.each<[string, boolean, object, object, object]>([
  ['nobody else changed anything', false, image('a'), image('b'), image('a')],
  ['others changed the same to the same', false, image('a'), image('b'), image('b')],
  ['others changed the same to something else', true, image('a'), image('b'), image('c')],
  ['others changed back what is applied', true, image('a'), image('a'), image('c')],
  [
    'others added an element',
    false,
    image('a'),
    image('a'),
    { containers: [{ name: 'c', image: 'a' }, { name: 'd' }] },
  ],
  ['what others changed goes', true, { hostname: 'a' }, {}, { hostname: 'b' }],
  ['what nobody changed goes', false, { hostname: 'a' }, {}, { hostname: 'a' }],
  ['others took away what is applied', true, { hostname: 'a' }, { hostname: 'a' }, {}],
  ['others set what was never applied', true, {}, { hostname: 'a' }, { hostname: 'b' }],
  ['others changed another field', false, { hostname: 'a' }, { hostname: 'b' }, { hostname: 'a', subdomain: 's' }],
  [
    'a list as one value was lengthened',
    true,
    { tolerations: [] },
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'b' }, {}] },
  ],
  [
    'a list as one value has other fields',
    false,
    {},
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ operator: 'Exists' }] },
  ],
])('%s: a conflict is %s', (_, isConflict, was, applied, live) => {
  const [original, modified, current] = [pod(was), pod(applied), pod(live)];
  const merged = mergedOf(POD, { original, modified, current });
  const type = facts.typeOfKind('', 'v1', 'Pod')!;
  const check = () => refuseConflicts({ original, modified, current, merged }, type);
  if (isConflict) expect(check).toThrow(/\nconflicts with changes made from original to current:\n/);
  else expect(check).not.toThrow();
});
