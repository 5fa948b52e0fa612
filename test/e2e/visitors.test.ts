/**
 * Who comes to a pod that runs: `kubectl debug` beside its containers, in a copy of it and on its node; `kubectl attach`; and
 * kubectl as it speaks up to 1.30, over SPDY.
 */
import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { describe, expect, test } from 'vitest';
import { IMAGE, SERVER } from './conformance/image.ts';
import { container, playground, pod, shell } from './conformance/playground.ts';
import { eventually, run, stockKubectl } from './running-cluster.ts';

const SEES = ['sh', '-c', 'until ps | grep -q "[s]leep 4712"; do sleep 0.1; done; echo seen'];
/** Later versions do so where they are told to. */
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };
const LISTENS = 'echo asks; read first; echo "heard $first"; read second; echo "and $second"';

describe('visitors', () => {
  const ground = playground('visitors', async (it) => {
    await it.create(
      pod('serves', { spec: { containers: [container({ command: SERVER })] } }),
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
    const attach = ['-n', ground().namespace, 'attach', '-i', 'listens'];
    const { code, stdout, stderr } = await ground().cluster.tryKubectl(attach, { input: 'one\ntwo\n' });
    expect({ code, stdout }, stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('heard one') });
    expect((await ground().ended('listens')).status?.phase).toBe('Succeeded');
    expect(await ground().log('listens')).toBe('asks\nheard one\nand two\n');
  });

  test('over SPDY exec passes input, output, errors and the exit code, and port-forward reaches the pod', async () => {
    await ground().ready('serves');
    const { cluster, namespace } = ground();
    const env = { ...SPDY, KUBECONFIG: await cluster.kubeconfig() };
    const args = ['-n', namespace, 'exec', '-i', 'serves', '--', 'sh', '-c', 'cat; echo oops >&2; exit 7'];
    const { code, stdout, stderr } = await run(await stockKubectl(), args, { input: 'through\n', env });
    expect({ code, stdout, stderr }).toMatchObject({
      code: 7,
      stdout: 'through\n',
      stderr: expect.stringContaining('oops\n'),
    });
    const forwarding = spawn(await stockKubectl(), ['-n', namespace, 'port-forward', 'pod/serves', ':8080'], {
      env: { ...process.env, ...env },
    });
    try {
      let said = '';
      forwarding.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const port = await eventually('a local port', async () => /127\.0\.0\.1:(\d+) -> 8080/.exec(said)?.[1]);
      await eventually('the pod answers', async () => (await bodyOf(`http://127.0.0.1:${port}/`)) === 'serves');
    } finally {
      forwarding.kill();
    }
  });
});

function bodyOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, timeout: 10_000 }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.on('end', () => resolve(body));
    }).on('error', reject);
  });
}
