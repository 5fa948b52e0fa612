/** What our own client creates from the command line, beside stock kubectl 1.36: the same words, and the same objects. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { sceneWith } from './own-client-scene.ts';
import { type Stories, tellStories } from './own-client-stories.ts';

const FILES: Record<string, string | Buffer> = {
  'one.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "raw"}, "data": {"a": "b"}}',
  'one.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: raw}}',
  'config.json': '{"auths": {}}',
  bytes: Buffer.of(0, 255, 1),
  'workloads.yaml': `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 0, selector: {matchLabels: {a: w}}, template: {metadata: {labels: {a: w}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: {matchLabels: {a: d}}, template: {metadata: {labels: {a: d}}, spec: {nodeSelector: {no: where}, containers: [{name: c, image: i}]}}}}
`,
  'ticks.yaml': `
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec: {schedule: "5 4 1 1 *", suspend: true, jobTemplate: {metadata: {labels: {a: b}, annotations: {c: d}}, spec: {backoffLimit: 3, suspend: true, template: {metadata: {labels: {x: z}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: plain}
spec: {schedule: "5 4 1 1 *", suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}
`,
};

const SCENE = sceneWith(FILES, ({ folder }) => {
  const pair = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-subj', '/CN=x'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', ...pair], { stdio: 'ignore' });
});

const AT = '/api/v1/namespaces/NS/configmaps';
const REGISTRY = 'create secret docker-registry';

const STORIES: Stories = {
  'paths of the server, as they are': [
    { args: `create --raw ${AT} -f one.json` },
    { args: `create --raw ${AT} -f one.json` },
    { args: `create --raw ${AT} -f one.yaml` },
    { args: `create --raw ${AT}?dryRun=All -f -`, stdin: '{"metadata": {"name": "dry"}}' },
    { args: `create --raw ${AT} -f -`, stdin: 'nonsense' },
    { args: 'create --raw /nope -f one.json' },
    { args: 'create --raw nope -f one.json' },
    { args: `create --raw ${AT} -f nope.json` },
    { args: `create --raw ${AT}` },
    { args: `create --raw ${AT} -f one.json -f one.yaml` },
    { args: `create --raw ${AT} -f https://x` },
    { args: `create --raw ${AT} -f one.json -R` },
    { args: `create --raw ${AT} -f one.json -l a=b` },
    { args: `create --raw ${AT} -f one.json -o yaml` },
    { args: `create --raw ${AT} -f one.json --dry-run=nope` },
    { args: `create --raw ${AT} extra -f one.json` },
    { args: `replace --raw ${AT}/raw -f -`, stdin: '{"metadata": {"name": "raw"}, "data": {"c": "d"}}' },
    { args: `replace --raw ${AT}/raw -f one.json --force` },
    { args: `replace --raw ${AT}/raw -f one.json -o yaml` },
    { args: `delete --raw ${AT}/raw -f -`, stdin: '{"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}' },
    { args: `delete --raw ${AT}/raw -o name` },
    { args: `delete --raw ${AT}/raw -i` },
    { args: `delete --raw ${AT}/raw -f one.json -f one.yaml` },
    { args: `delete --raw ${AT}/raw` },
    { args: `delete --raw ${AT}/raw` },
    { args: 'get --raw nope' },
    { args: 'get --raw /version -o yaml' },
  ],
  'the Job of a CronJob': [
    { args: 'create -f ticks.yaml' },
    { args: 'create job j --from=cronjob/tick --dry-run=client -o yaml' },
    { args: 'create job j --from=cronjob/tick --dry-run=client -o json' },
    { args: 'create job j --from=cronjob/plain --dry-run=client -o yaml' },
    { args: 'create job j --from=cronjob.batch/tick --save-config' },
    { args: 'create job j --from=cj/tick' },
    { args: 'create job j --from=cj/nope' },
    { args: 'create job j --from=cronjob' },
    { args: 'create job j --from=cronjobs/tick,plain' },
    { args: 'create job j --from=tick' },
    { args: 'create job j --from=cm/kube-root-ca.crt' },
    { args: 'create job j --from=cronjob/tick --image=i' },
    { args: 'create job j' },
    { args: 'create job --from=cronjob/tick' },
    { args: 'create job j --from=cronjob/tick -- ls' },
    { args: 'create job j --image=a,b --dry-run=client -o yaml' },
  ],
  'who one is for a registry': [
    { args: `${REGISTRY} r --docker-username=u --docker-password=p` },
    {
      args: `${REGISTRY} more --docker-username=u --docker-password=p<&> --docker-email=e@x --docker-server=http://r -o json`,
    },
    { args: `${REGISTRY} r --docker-username=u --docker-password=p --append-hash` },
    { args: `${REGISTRY} r --docker-username=u` },
    { args: `${REGISTRY} r --docker-username=u --docker-password=p --docker-server=` },
    { args: REGISTRY },
    { args: `${REGISTRY} a b --docker-username=u` },
    { args: `${REGISTRY} file --from-file=config.json -o yaml` },
    { args: `${REGISTRY} named --from-file=.dockerconfigjson=config.json -o name` },
    { args: `${REGISTRY} other --from-file=x=config.json` },
    { args: `${REGISTRY} other --from-file=nope` },
    { args: `${REGISTRY} other --from-file=one.yaml` },
  ],
  'names with a hash of what there is': [
    { args: 'create cm h --append-hash' },
    { args: 'create cm h --append-hash --from-literal=b=c --from-literal=a=<&>' },
    { args: 'create cm h --append-hash --from-file=bytes --from-literal=b=c' },
    { args: 'create cm h --append-hash --from-literal=b=c --dry-run=client -o yaml' },
    { args: 'create cm --append-hash' },
    { args: 'create secret generic h --append-hash' },
    { args: 'create secret generic h --append-hash --from-literal=b=c --type=x/y' },
    { args: 'create secret tls h --append-hash --cert=cert.pem --key=key.pem -o name --dry-run=client' },
  ],
  'autoscalers of workloads': [
    { args: 'create -f workloads.yaml' },
    { args: 'autoscale' },
    { args: 'autoscale deploy/web' },
    { args: 'autoscale deploy/web --max=0' },
    { args: 'autoscale deploy/web --max=2 --min=3' },
    { args: 'autoscale deploy/web --max=x' },
    { args: 'autoscale deploy/web --max=2 --cpu-percent=50 --cpu=50%' },
    { args: 'autoscale deploy/web --max=2 --cpu=a' },
    { args: 'autoscale deploy/web --max=2 --cpu=-5%' },
    { args: 'autoscale deploy/web --max=2 --memory=5.5%' },
    { args: 'autoscale deploy/web --max=2 --dry-run=nope' },
    { args: 'autoscale deploy/web --max=2 --dry-run=client -o yaml' },
    { args: 'autoscale deploy/web --max=2 --dry-run=client -o json --cpu=0.5 --memory=200 --min=1 --name=other' },
    { args: 'autoscale deploy/web --max=2 --dry-run=client --cpu=500m' },
    { args: 'autoscale deploy/web --max=2 --dry-run=server --cpu-percent=50' },
    { args: 'autoscale ds/agent --max=2' },
    { args: 'autoscale cm/kube-root-ca.crt --max=2' },
    { args: 'autoscale deploy/nope --max=2' },
    { args: 'autoscale deploy web nope --max=2 --dry-run=client' },
    { args: 'autoscale deploy --max=2' },
    { args: 'autoscale nope/x --max=2' },
    { args: 'autoscale deploy/web --max=3 --min=2 --memory=60% --save-config' },
    { args: 'autoscale deploy/web --max=2' },
    { args: 'autoscale deploy/web --max=2 --cpu=5m' },
    { args: 'autoscale deploy/web --max=2 --cpu=5%' },
    { args: 'autoscale -f workloads.yaml --max=2 --cpu=50%' },
  ],
  'forms of what is made here': [
    { args: 'create deployment x --image=i --dry-run=client -o kyaml' },
    { args: 'create secret generic x --from-literal=a=b --dry-run=client -o kyaml' },
    { args: 'create job x --image=i --dry-run=server -o kyaml' },
  ],
};

tellStories('what is created', SCENE, STORIES);
