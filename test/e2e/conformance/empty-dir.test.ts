/** emptyDir volumes, on disk and in memory: who may do what in them. */
import { describe, expect, test } from 'vitest';
import { holds } from '../running-cluster.ts';
import { type Container, configMap, pod, type Story, shell, tell } from './playground.ts';

const MEDIA = { default: '', tmpfs: 'Memory' } as const;
const USERS = { root: 0, 'non-root': 1001 } as const;
const MODES = { '0644': '-rw-r--r--', '0666': '-rw-rw-rw-', '0777': '-rwxrwxrwx' } as const;
const names = <T extends object>(of: T) => Object.keys(of) as (keyof T)[];
const mount: Partial<Container> = { volumeMounts: [{ name: 'it', mountPath: '/it' }] };
const KIND_OF_MOUNT = 'echo mounted $(awk \'$2 == "/it" {print $3}\' /proc/mounts)';
const saysWhere = (medium: keyof typeof MEDIA) => (medium === 'tmpfs' ? /^mounted tmpfs$/m : /^mounted (?!tmpfs)\w+/m);

const files: Story[] = names(USERS).flatMap((user) =>
  names(MODES).flatMap((mode) =>
    names(MEDIA).map((medium) => ({
      name: `EmptyDir volumes should support (${user},${mode},${medium})`,
      pod: {
        spec: {
          volumes: [{ name: 'it', emptyDir: { medium: MEDIA[medium] } }],
          securityContext: { runAsUser: USERS[user] },
          containers: [
            shell(
              `umask 0; echo new content > /it/file && chmod ${mode} /it/file && cat /it/file && stat -c %A:%u /it/file; ${KIND_OF_MOUNT}`,
              mount,
            ),
          ],
        },
      },
      says: ['new content\n', `${MODES[mode]}:${USERS[user]}\n`, saysWhere(medium)],
    })),
  ),
);

const folders: Story[] = names(MEDIA).map((medium) => ({
  name: `EmptyDir volumes volume on ${medium === 'tmpfs' ? 'tmpfs' : 'default medium'} should have the correct mode`,
  pod: {
    spec: {
      volumes: [{ name: 'it', emptyDir: { medium: MEDIA[medium] } }],
      containers: [shell(`stat -c %A /it; ${KIND_OF_MOUNT}`, mount)],
    },
  },
  // A tmpfs that nobody tells a mode has the sticky bit, as on any Kubernetes node; upstream's test does not look at it.
  says: [medium === 'tmpfs' ? 'drwxrwxrwt\n' : 'drwxrwxrwx\n', saysWhere(medium)],
}));

const CONFIG_MAPS = Array.from({ length: 50 }, (_, index) => `racey-${index}`);
const RACEY_PODS = 5;

describe('emptyDir', () => {
  const ground = tell('emptydir', [...files, ...folders], async (it) => {
    await it.create(
      pod('shared', {
        spec: {
          volumes: [{ name: 'it', emptyDir: {} }],
          containers: [
            shell('sleep 1000', { ...mount, name: 'reader' }),
            shell('echo "Hello from the busy-box sub-container" > /it/shared; sleep 1000', {
              ...mount,
              name: 'writer',
            }),
          ],
        },
      }),
    );
    return undefined;
  });

  test('EmptyDir volumes pod should support shared volumes between containers', async () => {
    await ground().ready('shared');
    await holds('one reads what the other wrote', async () =>
      expect(await ground().exec('shared', 'cat /it/shared', 'reader')).toBe('Hello from the busy-box sub-container'),
    );
  });

  test('EmptyDir wrapper volumes should not cause race condition when used for configmaps', async () => {
    await ground().create(...CONFIG_MAPS.map((name) => configMap(name, { 'data-1': name })));
    const volumes = CONFIG_MAPS.map((name) => ({ name, configMap: { name } }));
    const volumeMounts = CONFIG_MAPS.map((name) => ({ name, mountPath: `/etc/config-${name}` }));
    const pods = Array.from({ length: RACEY_PODS }, (_, index) => `racey-${index}`);
    const spec = {
      nodeName: 'node1', // they race on one node
      volumes,
      containers: [shell('cat /etc/config-racey-*/data-1; echo; sleep 1000', { volumeMounts })],
    };
    await ground().create(...pods.map((name) => pod(name, { spec })));
    for (const name of pods) {
      await ground().ready(name);
      await holds(`${name} has read all`, async () =>
        expect(await ground().log(name)).toBe(`${[...CONFIG_MAPS].sort().join('')}\n`),
      );
    }
  });
});
