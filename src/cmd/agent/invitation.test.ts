import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { planOf } from '#node/machine/slots.ts';
import { CREDENTIAL_FILES, type NodeCredentials } from '../supervisor/node-credentials.ts';
import { BadInvitation, type Invitation, invitationFrom, readInvitation, written } from './invitation.ts';

const invitation: Invitation = {
  cluster: 'dev',
  node: { name: 'far', index: 3, address: '192.0.2.7' },
  server: 'https://192.0.2.1:6443',
  gateway: '192.0.2.1',
  plan: planOf(0),
  settings: {},
  credentials: Object.fromEntries(CREDENTIAL_FILES.map((file) => [file, `text of ${file}`])) as NodeCredentials,
};

describe('an invitation', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-invitation-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('says after reading what was written', async () => {
    const file = join(folder, 'far.json');
    await writeFile(file, JSON.stringify(written(invitation)));
    expect(await readInvitation(file)).toEqual(invitation);
  });

  test.each([
    ['is not there', undefined, 'there is no file'],
    ['is not JSON', 'x', 'is not JSON'],
    ['is far too large', ' '.repeat(300_000), 'too large'],
    ['is of another format', '{"formatVersion": 2}', 'this kedge reads format 1'],
    ['is null', 'null', 'this kedge reads format 1'],
  ])('that %s is refused with its name', async (_what, text, reason) => {
    const file = join(folder, 'far.json');
    if (text !== undefined) await writeFile(file, text);
    const refusal = readInvitation(file);
    await expect(refusal).rejects.toThrow(BadInvitation);
    await expect(refusal).rejects.toThrow(reason);
    await expect(refusal).rejects.toThrow('far.json');
  });

  test.each<[string, Partial<Invitation>]>([
    ['cluster', { cluster: '../etc' }],
    ['node.name', { node: { ...invitation.node, name: 'a/b' } }],
    ['node.index', { node: { ...invitation.node, index: Number.NaN } }],
    ['node.address', { node: { ...invitation.node, address: '192.0.2.7 dev lo' } }],
    ['gateway', { gateway: 'somewhere' }],
    ['server', { server: 'http://192.0.2.1:6443' }],
    ['plan.podRanges', { plan: { ...invitation.plan, podRanges: ['10.244.0.0/16 } accept'] } }],
    ['plan.serviceRanges', { plan: { ...invitation.plan, serviceRanges: [] } }],
    ['plan.dnsAddresses', { plan: { ...invitation.plan, dnsAddresses: ['10.96.0.10/32'] } }],
    ['credentials.kubelet.key', { credentials: { ...invitation.credentials, 'kubelet.key': undefined as never } }],
  ])('with a %s that could not be one is refused', (field, change) =>
    expect(() => invitationFrom({ ...written(invitation), ...change })).toThrow(`"${field}"`),
  );
});
