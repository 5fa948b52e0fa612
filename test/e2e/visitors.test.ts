/** Who comes to a pod that runs: `kubectl debug` beside its containers, in a copy of it and on its node; `kubectl attach`. */
import { describe, expect, test } from 'vitest';
import { IMAGE } from './conformance/image.ts';
import { container, playground, pod, shell } from './conformance/playground.ts';
import { eventually } from './running-cluster.ts';

const SEES = ['sh', '-c', 'until ps | grep -q "[s]leep 4712"; do sleep 0.1; done; echo seen'];
const LISTENS = 'echo asks; read first; echo "heard $first"; read second; echo "and $second"';

describe('visitors', () => {
  const ground = playground('visitors', async (it) => {
    await it.create(
      pod('host', { spec: { containers: [shell('sleep 4712 & wait')] } }),
      pod('listens', {
        spec: { containers: [container({ command: ['sh', '-c', LISTENS], stdin: true, stdinOnce: true })] },
      }),
    );
    return undefined;
  });
  const debug = (...args: string[]) =>
    ground().cluster.kubectl('-n', ground().namespace, 'debug', `--image=${IMAGE}`, ...args);
  const saysSeen = (name: string) =>
    eventually(`the guest of ${name} has seen it`, async () => (await ground().log(name, 'guest')) === 'seen\n');

  test('kubectl debug puts a container into the pod that sees the processes of another; that one runs on', async () => {
    await ground().ready('host');
    await debug('host', '--target=main', '--container=guest', '--', ...SEES);
    await saysSeen('host');
    const { status } = await ground().podWhen(
      'host',
      'shows that its guest has ended',
      (found) => found.status?.ephemeralContainerStatuses?.[0]?.state?.terminated !== undefined,
    );
    expect(status?.ephemeralContainerStatuses?.[0]).toMatchObject({
      name: 'guest',
      state: { terminated: { exitCode: 0 } },
    });
    expect(status?.containerStatuses?.[0]).toMatchObject({ restartCount: 0, state: { running: {} } });
  });

  test('kubectl debug --copy-to begins the pod again under another name, with a guest in its processes', async () => {
    await debug('host', '--copy-to=copy', '--share-processes', '--container=guest', '--', ...SEES);
    await saysSeen('copy');
    expect((await ground().pod('copy')).spec.shareProcessNamespace).toBe(true);
  });

  test('kubectl debug node/NAME is in the network of the node, among its processes, with its files at /host', async () => {
    const [node] = await ground().cluster.nodeAddresses();
    const look = 'ls /host/etc/hosts; ip -4 addr; ls /proc | grep -c "^[0-9]"';
    const said = await debug(`node/${node?.name}`, '--', 'sh', '-c', look);
    const [, name = ''] = /debugging pod (node-debugger-\S+) with container debugger on node/.exec(said) ?? [];
    const { status } = await ground().ended(name);
    expect(status?.phase).toBe('Succeeded');
    const log = await ground().log(name);
    expect(log).toContain('/host/etc/hosts');
    expect(log).toContain(`inet ${node?.ip}/`);
    expect(log).toMatch(/^\d{2,}$/m);
  });

  test('kubectl attach hears what the container says, and is heard by it', async () => {
    await eventually('it asks', async () => (await ground().log('listens')) === 'asks\n');
    const { code, stdout } = await ground().cluster.tryKubectl(['-n', ground().namespace, 'attach', '-i', 'listens'], {
      input: 'one\ntwo\n',
    });
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('heard one') });
    expect((await ground().ended('listens')).status?.phase).toBe('Succeeded');
    expect(await ground().log('listens')).toBe('asks\nheard one\nand two\n');
  });
});
