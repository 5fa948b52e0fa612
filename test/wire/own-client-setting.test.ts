/** One part of objects that our own client sets, beside stock kubectl 1.36: the same words, and the same objects. */
import { sceneWith } from './own-client-scene.ts';
import { type Step, type Stories, tellStories } from './own-client-stories.ts';

const FILES = {
  'work.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: first, image: "i:1"}]
      containers: [{name: main, image: "i:1", resources: {limits: {cpu: 1}}}, {name: side, image: "i:1"}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec: {schedule: "5 4 1 1 *", suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: i}]}}}}}
`,
  'bindings.yaml': `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}]
`,
  'raw.yaml':
    '{apiVersion: v1, kind: Pod, metadata: {name: raw}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1000m}}}]}}',
  'settings.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}',
  'things.yaml': '{apiVersion: example.com/v1, kind: Thing, metadata: {name: thing}}',
  'number.yaml': '{apiVersion: v1, kind: Pod, metadata: {name: n}, spec: {containers: [{name: c, image: 3}]}}',
};

const lines = (...all: string[]): Step[] => all.map((args) => ({ args }));

const STORIES: Stories = {
  images: lines(
    'create -f work.yaml -f settings.yaml',
    'set image deploy/web main=j:2 --dry-run=client -o yaml',
    'set image deploy/web main=j:2 --dry-run=server',
    'set image deploy/web main=j:2',
    'set image deploy/web main=j:2',
    'set image deploy web main=j:3 first=j:3 -o json',
    'set image deploy,cronjob *=k --all',
    'set image deploy,cronjob main=l -l app=nope',
    'set image deploy web nope=k',
    'set image cm settings main=k',
    'set image deploy nope main=k',
    'set image deploy web main=k main=l --field-manager=me -o yaml --show-managed-fields',
    'set image deploy web',
    'set image deploy web main=k *=l',
    'set image deploy web main=k other',
    'set image deploy web main-',
    'set image main=k',
    'set image deploy web main=k --all -l a=b',
    'set image -f work.yaml main=m',
    'set image -f raw.yaml c=m --local',
    'set image -f raw.yaml c=m --local -o yaml',
    'set image -f work.yaml main=m --local -o json',
    'set image -f work.yaml main=n --local -o yaml',
    'set image -f settings.yaml main=m --local',
    'set image -f things.yaml main=m --local',
    'set image -f number.yaml main=m --local',
    'set image -f raw.yaml c=m --local --dry-run=server',
    'set image deploy web c=m --local',
    'set image deploy web main=k --dry-run=nope',
    'set image deploy web main=k -o nope',
    'set image deploy web main=-',
    'set image deploy web main=',
  ),
  'what containers ask for': lines(
    'create -f work.yaml -f settings.yaml',
    'set resources deploy web --limits=cpu=200m,memory=512Mi --requests=cpu=100m --dry-run=client -o yaml',
    'set resources deploy web --limits=cpu=200m,memory=512Mi --requests=cpu=0.1',
    'set resources deploy web --limits=cpu=200m',
    'set resources deploy web -c=m* --limits=cpu=2000m -o yaml',
    'set resources deploy web -c=in --limits=cpu=3',
    'set resources deploy web -c=*n --limits=cpu=3 -o json',
    'set resources deploy web -c=i* --limits=cpu=4 -o json',
    'set resources deploy web -c=nope --limits=cpu=3',
    'set resources deploy,cronjob --all --requests=memory=1Gi',
    'set resources cm settings --limits=cpu=1',
    'set resources deploy web',
    'set resources deploy web --limits=cpu',
    'set resources deploy web --limits=cpu=nope',
    'set resources deploy web --requests=cpu=5',
    'set resources deploy web --limits=cpu=1 --all -l a=b',
    'set resources -f raw.yaml --limits=cpu=2000m --local -o yaml',
    'set resources -f raw.yaml --limits=cpu=1 --local --dry-run=server',
    'set resources deploy web --limits=cpu=1 --local',
    'set resources --limits=cpu=1',
    'set resources --limits=cpu=1 --local',
  ),
  'who pods are': lines(
    'create -f work.yaml -f settings.yaml',
    'set serviceaccount deploy web bot --dry-run=client -o yaml',
    'set serviceaccount deploy web bot',
    'set sa deploy web bot',
    'set sa deploy/web cronjob/tick robot -o name',
    'set sa cm settings bot',
    'set sa',
    'set sa bot',
    'set sa deploy nope bot',
    'set sa deploy web Bot_',
    'set sa -f raw.yaml bot --local -o yaml',
    'set sa -f raw.yaml bot --local --dry-run=server',
    'set sa bot --local',
    'set sa deploy,cronjob --all bot --dry-run=server',
  ),
  'whom a role is given to': lines(
    'create -f bindings.yaml -f settings.yaml',
    'create clusterrolebinding NS-cb --clusterrole=view',
    'set subject rolebinding b --user=joe --user=jane --group=devs --serviceaccount=a:b --dry-run=client -o yaml',
    'set subject rolebinding b --user=joe --user=jane --group=devs --serviceaccount=a:b -o yaml',
    'set subject rolebinding b --user=joe',
    'set subject rolebinding b --serviceaccount=:c -o json',
    'set subject clusterrolebinding NS-cb --serviceaccount=:c',
    'set subject clusterrolebinding NS-cb --serviceaccount=d:c',
    'set subject rolebinding b --serviceaccount=c',
    'set subject rolebinding b',
    'set subject cm settings --user=a',
    'set subject rolebinding nope --user=a',
    'set subject rolebinding --all -l a=b --user=a',
    'set subject -f bindings.yaml --local --group=devs -o yaml',
    'set subject -f bindings.yaml --local --group=devs --dry-run=server',
    'set subject --user=a',
    'set subject --user=a --local',
    'set subject -f settings.yaml --user=a --local',
  ),
};

tellStories('what is set', sceneWith(FILES), STORIES);
