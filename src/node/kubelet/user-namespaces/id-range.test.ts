import { expect, test } from 'vitest';
import { type Accounts, idRangeOf } from './id-range.ts';

const UNIT = 65_536;
const ALL = { first: UNIT, length: 2 ** 32 - UNIT };
const PASSWD = 'root:x:0:0::/root:/bin/sh\nkubelet:x:900:900::/:/sbin/nologin\n';
const machine = (given: string | undefined, { groups = given, passwd = PASSWD } = {}): Accounts => ({
  passwd: () => passwd,
  getsubids: async ([first]) => (first === '-g' ? groups : given),
});

test.each<[string, Accounts, object]>([
  ['without such a user', machine('0: kubelet 131072 65536', { passwd: 'kubelets:x:1:1::/:/bin/sh\n' }), ALL],
  ['without the program', machine(undefined), ALL],
  ['with both', machine('0: kubelet 131072 8388608\n'), { first: 131_072, length: 8_388_608 }],
])('a machine %s', async (_, accounts, range) => {
  expect(await idRangeOf(UNIT, accounts)).toEqual(range);
});

const failing: Accounts = { passwd: () => PASSWD, getsubids: () => Promise.reject(new Error('exit status 1')) };
test.each<[Accounts, string]>([
  [failing, 'error retrieving additional uids for user "kubelet": exit status 1'],
  [
    machine('0: kubelet 131072 65536', { groups: '0: kubelet 1 1' }),
    'mismatched subuids and subgids for user "kubelet"',
  ],
  [
    machine('0: kubelet 1 2\n1: kubelet 3 4\n'),
    'error parsing line "0: kubelet 1 2\\n1: kubelet 3 4\\n": it must contain',
  ],
  [machine('nobody'), 'invalid line "nobody"'],
  [machine('0: kubelet one two'), 'error parsing line "0: kubelet one two"'],
])('where the answer cannot be used a kubelet does not begin (%#)', async (accounts, text) => {
  await expect(idRangeOf(UNIT, accounts)).rejects.toThrow(text);
});

test('a pod that has more users leaves more of them to the machine, and at the end what is not enough for one', async () => {
  expect(await idRangeOf(3 * UNIT, machine(undefined))).toEqual({ first: 3 * UNIT, length: 65_532 * UNIT });
  expect(await idRangeOf(2 * UNIT, machine(undefined))).toEqual({ first: 2 * UNIT, length: 2 ** 32 - 2 * UNIT });
});
