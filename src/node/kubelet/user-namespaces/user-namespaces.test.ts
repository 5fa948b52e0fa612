import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { seededRandom } from '#base/random.ts';
import { NODE_USERS, UserNamespaces, type UserNamespacesOptions } from './user-namespaces.ts';

const UNIT = 65_536;
const REFUSAL = "can't set `spec.hostUsers: false`,";
const able = [{ name: '', userNamespaces: true, recursiveReadOnlyMounts: false }];
const pod = (uid: string, spec: object = { hostUsers: false }) => ({ metadata: { uid }, spec }) as unknown as Pod;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kedge-users-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const open = (more: Partial<UserNamespacesOptions> = {}) =>
  UserNamespaces.open({
    root,
    maxPods: 2,
    idsPerPod: UNIT,
    range: { first: UNIT, length: 2 * UNIT },
    random: seededRandom(1),
    ...more,
  });
const fileOf = (uid: string) => join(root, 'pods', uid, 'userns');
const written = (uid: string, content: string) => {
  mkdirSync(join(root, 'pods', uid), { recursive: true });
  writeFileSync(fileOf(uid), content);
};
const record = (hostId: number, length = UNIT) => {
  const mappings = [{ hostId, containerId: 0, length }];
  return JSON.stringify({ uidMappings: mappings, gidMappings: mappings });
};

test.each([{}, { hostUsers: true }])('a pod that says %j has those of the node', async (spec) => {
  expect((await open()).of(pod('a', spec))).toEqual(NODE_USERS);
});

test.each([
  ['', [], `${REFUSAL} runtime does not support user namespaces: the handler "" is not known`],
  ['', [{ ...able[0]!, userNamespaces: false }], `${REFUSAL} runtime does not support user namespaces`],
  [
    'kata',
    [...able, { ...able[0]!, name: 'kata', userNamespaces: false }],
    `${REFUSAL} RuntimeClass handler "kata" does not support user namespaces`,
  ],
])('a pod that asks for users that the handler "%s" does not know is given none', async (name, handlers, refusal) => {
  const users = await open();
  await expect(users.give(pod('a'), name, handlers)).rejects.toThrow(new Error(refusal));
  expect(users.of(pod('a'))).toBeUndefined();
});

test('each pod has its own, which are written down, and go to others only when it has gone', async () => {
  const users = await open();
  const [a, b] = await Promise.all(['a', 'b'].map((uid) => users.give(pod(uid), '', able)));
  expect(new Set([a, b].map((each) => each?.uids[0]?.hostId))).toEqual(new Set([UNIT, 2 * UNIT]));
  expect(a).toEqual({ mode: 'POD', uids: a?.gids, gids: a?.uids });
  expect(readFileSync(fileOf('a'), 'utf8')).toBe(record(a?.uids[0]?.hostId ?? 0));
  expect(await users.give(pod('a'), '', able)).toEqual(a);
  expect(users.of(pod('a'))).toEqual(a);
  const full = 'create user namespace: could not find an empty slot to allocate a user namespace';
  await expect(users.give(pod('c'), '', able)).rejects.toThrow(full);
  await users.release('a');
  expect(readdirSync(join(root, 'pods', 'a'))).toEqual([]);
  expect(await users.give(pod('c'), '', able)).toEqual(a);
});

test('the next kubelet knows what each pod has', async () => {
  const given = await (await open()).give(pod('a'), '', able);
  mkdirSync(join(root, 'pods', 'without'));
  const next = await open({ random: seededRandom(1) });
  expect(next.of(pod('a'))).toEqual(given);
  expect((await next.give(pod('b'), '', able)).uids).not.toEqual(given.uids);
});

test('what cannot be written down is not given', async () => {
  const users = await open();
  mkdirSync(join(root, 'pods'));
  writeFileSync(join(root, 'pods', 'a'), '');
  await expect(users.give(pod('a'), '', able)).rejects.toThrow(/^create user namespace: E/);
  expect(users.of(pod('a'))).toBeUndefined();
});

test('a pod keeps what it was given when that cannot be written down again', async () => {
  const users = await open();
  const given = await users.give(pod('a'), '', able);
  rmSync(join(root, 'pods', 'a'), { recursive: true });
  writeFileSync(join(root, 'pods', 'a'), '');
  await expect(users.give(pod('a'), '', able)).rejects.toThrow(/^create user namespace: E/);
  expect(users.of(pod('a'))).toEqual(given);
  expect((await users.give(pod('b'), '', able)).uids).not.toEqual(given.uids);
  await expect(users.give(pod('c'), '', able)).rejects.toThrow('could not find an empty slot');
});

test('the last of all ids is given to nobody: the kernel knows no user of that number', async () => {
  const users = await open({ range: { first: 2 ** 32 - 2 * UNIT, length: 2 * UNIT } });
  expect((await users.give(pod('a'), '', able)).uids[0]?.hostId).toBe(2 ** 32 - 2 * UNIT);
  await expect(users.give(pod('b'), '', able)).rejects.toThrow('could not find an empty slot');
});

const RECORD = 'create user namespace manager: record pod mappings for existing pod "a": ';
const invalid = `${RECORD}invalid user namespace configuration: `;
const one = { hostId: UNIT, containerId: 0, length: UNIT };
test.each([
  ['{', `${RECORD}invalid user namespace mappings file: `],
  ['{}', `${invalid}no more than one mapping allowed.`],
  [JSON.stringify({ uidMappings: [one], gidMappings: [] }), `${invalid}GID and UID mappings should be identical.`],
  [
    JSON.stringify({ uidMappings: [one], gidMappings: [{ ...one, hostId: 0 }] }),
    `${invalid}GID and UID mapping should be identical`,
  ],
  [
    JSON.stringify({ uidMappings: [{ ...one, containerId: 1 }], gidMappings: [{ ...one, containerId: 1 }] }),
    `${invalid}UID 0 must be mapped`,
  ],
  [record(UNIT, 1), `${RECORD}wrong user namespace length 1`],
  [record(UNIT + 1), `${RECORD}wrong user namespace offset specified ${UNIT + 1}`],
  [record(0), `${RECORD}id 0 is out of range`],
])(
  'a kubelet does not begin beside a record that could let two pods have the same users: %s',
  async (content, text) => {
    written('a', content);
    await expect(open()).rejects.toThrow(text);
  },
);

test('of two pods that say that they have the same users a kubelet believes none', async () => {
  for (const uid of ['a', 'b']) written(uid, record(UNIT));
  await expect(open()).rejects.toThrow(/range picked for pod "[ab]" already taken$/);
});

test.each<[Partial<UserNamespacesOptions>, string]>([
  [{ idsPerPod: 1 }, 'kubelet user namespace length 1 is not a multiple of 65536'],
  [{ range: { first: 1, length: UNIT } }, 'kubelet user assigned ID 1 is not a multiple of 65536'],
  [{ range: { first: 0, length: UNIT } }, 'kubelet user assigned ID 0 must be greater or equal to 65536'],
  [{ range: { first: UNIT, length: 1 } }, 'kubelet user assigned IDs length 1 is not a multiple of 65536'],
  [{ maxPods: 3 }, 'kubelet user assigned IDs are not enough to support 3 pods'],
])('ranges that do not fit are refused when a kubelet begins (%#)', async (options, text) => {
  await expect(open(options)).rejects.toThrow(`create user namespace manager: ${text}`);
});
