/** What people bring on an ordinary day, one of each workload, as kubectl shows it and as Events and conditions tell it. */
import { expect, test } from 'vitest';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Job } from '#api/batch/v1/job.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { shown } from './kubectl-text.ts';
import { conditionsOf, told, wholeCluster } from './story.ts';

const MANIFEST = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 3306}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "busybox:1.36", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: picky}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [elsewhere]}]}]
  containers: [{name: app, image: "nginx:1.25"}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: "0 8 * * *"
  timeZone: Asia/Shanghai
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        metadata: {annotations: {kedge.dev/simulated-run-seconds: "5"}}
        spec: {restartPolicy: OnFailure, containers: [{name: backup, image: "busybox:1.36"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: report}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 3
  template:
    metadata: {annotations: {kedge.dev/simulated-run-seconds: "20"}}
    spec: {restartPolicy: Never, containers: [{name: part, image: "busybox:1.36"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {tolerations: [{operator: Exists}], containers: [{name: agent, image: "busybox:1.36"}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  selector: {app: old}
  template: {metadata: {labels: {app: old}}, spec: {containers: [{name: web, image: "nginx:1.25"}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: new}
spec:
  replicas: 1
  selector: {matchExpressions: [{key: env, operator: In, values: [production, qa]}]}
  template: {metadata: {labels: {env: qa}}, spec: {containers: [{name: web, image: "nginx:1.25"}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: old}
spec: {minAvailable: 1, selector: {matchLabels: {app: old}}}
`;

test('one of each workload, as kubectl, conditions and Events show it', async () => {
  await using cluster = await wholeCluster(2);
  const sinceMs = cluster.clock.now();
  await cluster.apply(MANIFEST);
  await cluster.passes('30s');
  expect(
    await shown(cluster, 'get', 'all,pvc,pdb,endpointslices,controllerrevisions', '-o', 'wide'),
  ).toMatchInlineSnapshot(`
    "NAME  READY  STATUS  RESTARTS  AGE  IP  NODE  NOMINATED NODE  READINESS GATES
    pod/agent-*  1/1  Running  0  30s  IP  NODE  <none>  <none>
    pod/agent-*  1/1  Running  0  30s  IP  NODE  <none>  <none>
    pod/db-0  0/1  Pending  0  30s  <none>  <none>  <none>  <none>
    pod/new-*  1/1  Running  0  30s  IP  NODE  <none>  <none>
    pod/old-*  1/1  Running  0  30s  IP  NODE  <none>  <none>
    pod/old-*  1/1  Running  0  30s  IP  NODE  <none>  <none>
    pod/picky  0/1  Pending  0  30s  <none>  <none>  <none>  <none>
    pod/report-0-*  0/1  Completed  0  30s  IP  NODE  <none>  <none>
    pod/report-1-*  0/1  Completed  0  30s  IP  NODE  <none>  <none>
    pod/report-2-*  1/1  Running  0  10s  IP  NODE  <none>  <none>

    NAME  DESIRED  CURRENT  READY  AGE  CONTAINERS  IMAGES  SELECTOR
    replicationcontroller/old  2  2  2  30s  web  nginx:1.25  app=old

    NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE  SELECTOR
    service/db  ClusterIP  None  <none>  3306/TCP  30s  app=db

    NAME  DESIRED  CURRENT  READY  UP-TO-DATE  AVAILABLE  NODE SELECTOR  AGE  CONTAINERS  IMAGES  SELECTOR
    daemonset.apps/agent  2  2  2  2  2  <none>  30s  agent  busybox:1.36  app=agent

    NAME  DESIRED  CURRENT  READY  AGE  CONTAINERS  IMAGES  SELECTOR
    replicaset.apps/new  1  1  1  30s  web  nginx:1.25  env in (production,qa)

    NAME  READY  AGE  CONTAINERS  IMAGES
    statefulset.apps/db  0/2  30s  db  busybox:1.36

    NAME  SCHEDULE  TIMEZONE  SUSPEND  ACTIVE  LAST SCHEDULE  AGE  CONTAINERS  IMAGES  SELECTOR
    cronjob.batch/backup  0 8 * * *  Asia/Shanghai  False  0  <none>  30s  backup  busybox:1.36  <none>

    NAME  STATUS  COMPLETIONS  DURATION  AGE  CONTAINERS  IMAGES  SELECTOR
    job.batch/report  Running  2/3  30s  30s  part  busybox:1.36  batch.kubernetes.io/controller-uid=UID

    NAME  STATUS  VOLUME  CAPACITY  ACCESS MODES  STORAGECLASS  VOLUMEATTRIBUTESCLASS  AGE  VOLUMEMODE
    persistentvolumeclaim/data-db-0  Pending  <unset>  30s  Filesystem

    NAME  MIN AVAILABLE  MAX UNAVAILABLE  ALLOWED DISRUPTIONS  AGE
    poddisruptionbudget.policy/old  1  N/A  1  30s

    NAME  ADDRESSTYPE  PORTS  ENDPOINTS  AGE
    endpointslice.discovery.k8s.io/db-*  IPv4  <unset>  <unset>  30s

    NAME  CONTROLLER  REVISION  AGE
    controllerrevision.apps/agent-d98944fb9  daemonset.apps/agent  1  30s
    controllerrevision.apps/db-59fd5c5595  statefulset.apps/db  1  30s"
  `);
  await cluster.passes('1m');
  expect(conditionsOf(cluster, cluster.get(Job, 'default/report')!)).toMatchInlineSnapshot(`
    "Complete=True (CompletionsReached): Reached expected number of succeeded pods
    SuccessCriteriaMet=True (CompletionsReached): Reached expected number of succeeded pods"
  `);
  expect(conditionsOf(cluster, cluster.get(PodDisruptionBudget, 'default/old')!)).toMatchInlineSnapshot(
    `"DisruptionAllowed=True (SufficientPods): "`,
  );
  const pending = ['picky', 'db-0'].map((name) => conditionsOf(cluster, cluster.get(Pod, `default/${name}`)!));
  expect(pending.join('\n')).toMatchInlineSnapshot(`
    "PodScheduled=False (Unschedulable): 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
    PodScheduled=False (Unschedulable): 0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
  `);
  expect(cluster.get(StatefulSet, 'default/db')?.status).toMatchInlineSnapshot(`
    {
      "availableReplicas": 0,
      "collisionCount": 0,
      "currentReplicas": 1,
      "currentRevision": "db-59fd5c5595",
      "observedGeneration": 1,
      "replicas": 1,
      "updateRevision": "db-59fd5c5595",
      "updatedReplicas": 1,
    }
  `);
  const reasons = ['SuccessfulCreate', 'FailedScheduling', 'FailedBinding', 'Completed', 'NoPods', 'SawCompletedJob'];
  const events = told(cluster, { sinceMs, reasons }).replaceAll(/(Created pod: .*-)[a-z0-9]{5}$/gm, '$1*');
  expect(events).toMatchInlineSnapshot(`
    "   0s  DaemonSet agent: SuccessfulCreate: Created pod: agent-*
       0s  DaemonSet agent: SuccessfulCreate: Created pod: agent-*
       0s  Job report: SuccessfulCreate: Created pod: report-0-*
       0s  Job report: SuccessfulCreate: Created pod: report-1-*
       0s  PersistentVolumeClaim data-db-0: FailedBinding: no persistent volumes available for this claim and no storage class is set (2 times)
       0s  Pod db-0: FailedScheduling: 0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found
       0s  Pod picky: FailedScheduling: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
       0s  ReplicaSet new: SuccessfulCreate: Created pod: new-*
       0s  ReplicationController old: SuccessfulCreate: Created pod: old-*
       0s  ReplicationController old: SuccessfulCreate: Created pod: old-*
       0s  StatefulSet db: SuccessfulCreate: Create Claim data-db-0 Pod db-0 in StatefulSet db success
       0s  StatefulSet db: SuccessfulCreate: Create Pod db-0 in StatefulSet db successful
      20s  Job report: SuccessfulCreate: Created pod: report-2-*
      40s  Job report: Completed: Job completed"
  `);
});
