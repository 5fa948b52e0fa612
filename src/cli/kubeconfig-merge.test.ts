import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ManualClock } from '#base/manual-clock.ts';
import { merged, mergeKubeconfig, removeFromKubeconfig, userKubeconfig, without } from './kubeconfig-merge.ts';

const own = (name: string, server = 'https://127.0.0.1:6443') => `apiVersion: v1
clusters:
- cluster: {server: "${server}"}
  name: ${name}
contexts:
- context: {cluster: ${name}, user: ${name}}
  name: ${name}
current-context: ${name}
kind: Config
users:
- name: ${name}
  user: {client-key-data: c2VjcmV0}
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-kubeconfig-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a context is added beside others and becomes the current one; comments stay', () => {
  const text = merged(`# mine\n${own('work', 'https://work')}`, own('kedge-dev'));
  expect(text).toContain('# mine');
  const config = parse(text);
  expect(config.contexts.map(({ name }: { name: string }) => name)).toEqual(['work', 'kedge-dev']);
  expect(config['current-context']).toBe('kedge-dev');
});

test('merging again replaces what was there under the name', () => {
  const config = parse(merged(merged(own('work'), own('kedge-dev')), own('kedge-dev', 'https://127.0.0.1:7000')));
  expect(config.clusters).toHaveLength(2);
  expect(config.clusters[1].cluster.server).toBe('https://127.0.0.1:7000');
});

test('a file with empty lists is filled', () => {
  const config = parse(merged('apiVersion: v1\nkind: Config\nclusters: null\n', own('kedge-dev')));
  expect(config.users).toHaveLength(1);
  expect(config.clusters).toHaveLength(1);
});

test('removing takes the three entries, and unsets the current context only if it was this one', () => {
  const both = merged(own('work'), own('kedge-dev'));
  expect(parse(without(both, 'kedge-dev'))).toMatchObject({ 'current-context': '', users: [{ name: 'work' }] });
  expect(parse(without(both, 'work'))['current-context']).toBe('kedge-dev');
});

test('what is no kubeconfig is refused rather than replaced', () => {
  expect(() => merged('- a\n- b\n', own('kedge-dev'))).toThrow(/not a kubeconfig/);
});

test('a new file is readable by its owner only, a link stays a link, and no lock is left', async () => {
  const [real, path] = [join(folder, 'real'), join(folder, 'config')];
  await writeFile(real, own('work'), { mode: 0o600 });
  await symlink(real, path);
  await mergeKubeconfig(path, own('kedge-dev'), new ManualClock());
  expect(parse(await readFile(real, 'utf8')).contexts).toHaveLength(2);
  await mergeKubeconfig(join(folder, 'new'), own('kedge-dev'), new ManualClock());
  expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(0o600);
  await removeFromKubeconfig(path, 'kedge-dev', new ManualClock());
  expect(parse(await readFile(path, 'utf8')).contexts).toHaveLength(1);
  await expect(stat(`${real}.lock`)).rejects.toThrow('ENOENT');
});

test('a lock that stays is named after ten seconds', async () => {
  const clock = new ManualClock();
  await writeFile(join(folder, 'config.lock'), '');
  const merging = mergeKubeconfig(join(folder, 'config'), own('kedge-dev'), clock);
  const outcome = merging.then(
    () => 'merged',
    (error: Error) => error.message,
  );
  for (let ended = false; !ended; ) {
    clock.advance(1_000);
    ended = await Promise.race([outcome.then(() => true), new Promise<false>((done) => setImmediate(done, false))]);
  }
  expect(await outcome).toContain('config.lock is held by another program');
});

test('the first file of $KUBECONFIG is the one', () => {
  expect(userKubeconfig({ KUBECONFIG: '/a:/b', HOME: '/home/me' })).toBe('/a');
  expect(userKubeconfig({ HOME: '/home/me' })).toBe('/home/me/.kube/config');
});
