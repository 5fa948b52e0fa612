import { describe, expect, test } from 'vitest';
import type { UserInfo } from '#client/transport.ts';
import { type Attributes, type Authorizer, allow, isResourceRequest, noOpinion } from '../authorization/authorizer.ts';
import { Impersonation } from './impersonation.ts';

const boss: UserInfo = { name: 'boss', groups: ['system:authenticated'] };
const listPods = (user: UserInfo = boss): Attributes => ({
  user,
  verb: 'list',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'dev',
  name: '',
});
const sentence = (wish: Attributes): string =>
  isResourceRequest(wish)
    ? `${wish.verb} ${wish.group && `${wish.group}/`}${wish.resource}${wish.subresource && `/${wish.subresource}`}${wish.name && ` ${wish.name}`}`
    : `${wish.verb} ${wish.path}`;

/** Allows what is named; keeps what it was asked. */
function allowing(...allowed: string[]): Authorizer & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    authorize(wish) {
      asked.push(sentence(wish));
      return allowed.includes(sentence(wish)) ? allow() : noOpinion();
    },
  };
}
/** With the names as a client of HTTP/1.1 may write them. */
const asking = (headers: Record<string, string | string[]>) => ({
  headers,
  rawHeaders: Object.entries(headers).flatMap(([name, value]) => [
    name.replace('impersonate', 'Impersonate'),
    `${value}`,
  ]),
});
const actAs = (headers: Record<string, string | string[]>, authorizer: Authorizer, caller = boss) =>
  Promise.resolve().then(() => new Impersonation(authorizer).actingAs(() => listPods(caller), asking(headers)));

describe('who may impersonate', () => {
  test.each([
    [{ 'impersonate-user': 'alice' }, ['users alice'], { name: 'alice', groups: ['system:authenticated'] }],
    [{ 'impersonate-user': 'Doe, Jane' }, ['users Doe, Jane'], { name: 'Doe, Jane', groups: ['system:authenticated'] }],
    [
      { 'impersonate-user': 'alice', 'impersonate-group': ['a', 'b'] },
      ['users alice', 'groups a', 'groups b'],
      { name: 'alice', groups: ['a', 'b', 'system:authenticated'] },
    ],
    [
      { 'impersonate-user': 'alice', 'impersonate-group': 'system:unauthenticated' },
      ['users alice', 'groups system:unauthenticated'],
      { name: 'alice', groups: ['system:unauthenticated'] },
    ],
    [
      { 'impersonate-user': 'system:serviceaccount:ns:robot' },
      ['serviceaccounts robot'],
      {
        name: 'system:serviceaccount:ns:robot',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      },
    ],
    [
      { 'impersonate-user': 'system:anonymous' },
      ['users system:anonymous'],
      { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    ],
    [
      { 'impersonate-user': 'alice', 'impersonate-uid': '7', 'impersonate-extra-scopes%2fa': 'view' },
      ['users alice', 'authentication.k8s.io/uids 7', 'authentication.k8s.io/userextras/scopes/a view'],
      { name: 'alice', uid: '7', groups: ['system:authenticated'], extra: { 'scopes/a': ['view'] } },
    ],
  ])('%j needs %j', async (headers, needs, expected) => {
    const rights = needs.map((one) => `impersonate ${one}`);
    expect(await actAs(headers, allowing(...rights))).toEqual({ user: expected });
    for (const missing of rights) {
      const others = rights.filter((one) => one !== missing);
      await expect(actAs(headers, allowing(...others))).rejects.toMatchObject({ code: 403 });
    }
  });
});

describe('who may impersonate for one kind of request', () => {
  const account = 'system:serviceaccount:ns:robot';
  const agent: UserInfo = {
    name: 'system:serviceaccount:ns:agent',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': ['one'], 'authentication.kubernetes.io/pod-name': ['p'] },
  };
  const K = 'authentication.k8s.io/';

  test.each([
    [boss, { 'impersonate-user': 'alice' }, 'user-info', [`${K}users alice`], ['system:authenticated']],
    [
      boss,
      { 'impersonate-user': 'alice', 'impersonate-group': 'dev' },
      'user-info',
      [`${K}users alice`, `${K}groups dev`],
      ['dev', 'system:authenticated'],
    ],
    [
      boss,
      { 'impersonate-user': account },
      'serviceaccount',
      [`${K}serviceaccounts robot`],
      ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    ],
    [
      boss,
      { 'impersonate-user': 'system:node:two' },
      'arbitrary-node',
      [`${K}nodes two`],
      ['system:nodes', 'system:authenticated'],
    ],
    [
      agent,
      { 'impersonate-user': 'system:node:one' },
      'associated-node',
      [`${K}nodes *`],
      ['system:nodes', 'system:authenticated'],
    ],
  ])('%j: %j in the mode %s', async (caller, headers, mode, needs, groups) => {
    const rights = [`impersonate-on:${mode}:list pods`, ...needs.map((one) => `impersonate:${mode} ${one}`)];
    expect(await actAs(headers, allowing(...rights), caller)).toMatchObject({
      user: { name: headers['impersonate-user'], groups },
      constraint: `impersonate:${mode}`,
    });
    for (const missing of rights) {
      const others = rights.filter((one) => one !== missing);
      await expect(actAs(headers, allowing(...others), caller)).rejects.toMatchObject({ code: 403 });
    }
  });

  test('an agent is not the node of another', async () => {
    const rights = ['impersonate-on:associated-node:list pods', `impersonate:associated-node ${K}nodes *`];
    const elsewhere = actAs({ 'impersonate-user': 'system:node:two' }, allowing(...rights), agent);
    await expect(elsewhere).rejects.toMatchObject({ code: 403 });
  });

  test('which node an agent stands for is not for the authorizer to see', async () => {
    const seen: UserInfo[] = [];
    const authorizer: Authorizer = {
      authorize(wish) {
        seen.push(wish.user);
        return allow();
      },
    };
    await actAs({ 'impersonate-user': 'system:node:one' }, authorizer, agent);
    const keys = ['authentication.kubernetes.io/node-name', 'authentication.kubernetes.io/pod-name'];
    expect(seen[0]?.extra).toEqual({ 'authentication.kubernetes.io/associated-node-keys': keys });
  });

  test('system:masters is not among the groups that this mode gives', async () => {
    const headers = { 'impersonate-user': 'alice', 'impersonate-group': 'system:masters' };
    const rights = ['impersonate-on:user-info:list pods', `impersonate:user-info ${K}users alice`];
    await expect(
      actAs(headers, allowing(...rights, `impersonate:user-info ${K}groups system:masters`)),
    ).rejects.toThrow(
      /cannot impersonate:user-info resource "groups" .*: impersonating the system:masters group is not allowed$/,
    );
  });

  test('many groups may be allowed at once', async () => {
    const headers = { 'impersonate-user': 'alice', 'impersonate-group': ['a', 'b', 'c', 'd'] };
    const rights = ['impersonate-on:user-info:list pods', `impersonate:user-info ${K}users alice`];
    const authorizer = allowing(...rights, `impersonate:user-info ${K}groups *`);
    expect((await actAs(headers, authorizer))?.user.groups).toEqual(['a', 'b', 'c', 'd', 'system:authenticated']);
  });
});

test('what is refused is told in the words of the mode that was tried first', async () => {
  await expect(actAs({ 'impersonate-user': 'root' }, allowing())).rejects.toThrow(
    'pods is forbidden: User "boss" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "dev"',
  );
});

test('the mode that a caller used last is tried first', async () => {
  const authorizer = allowing('impersonate users alice');
  const impersonation = new Impersonation(authorizer);
  const headers = asking({ 'impersonate-user': 'alice' });
  await impersonation.actingAs(() => listPods(), headers);
  authorizer.asked.length = 0;
  await impersonation.actingAs(() => listPods(), headers);
  expect(authorizer.asked).toEqual(['impersonate users alice']);
  const refused = impersonation.actingAs(() => listPods(), asking({ 'impersonate-user': 'bob' }));
  await expect(refused).rejects.toThrow('users "bob" is forbidden: User "boss" cannot impersonate resource "users"');
});

test('without the headers nothing happens, and groups without a user are an error', async () => {
  expect(await actAs({ accept: '*/*' }, allowing())).toBeUndefined();
  await expect(actAs({ 'impersonate-group': 'system:masters' }, allowing())).rejects.toMatchObject({
    code: 400,
    message:
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"system:masters"}, Extra:map[string][]string(nil)} without impersonating a user name',
  });
});
