/** Batch work, older controllers, volumes and nodes, as `kubectl get` and `kubectl describe` show them. */
import { expect, test } from 'vitest';
import { described, shown } from './kubectl-text.ts';
import { wholeCluster } from './story.ts';

const MANIFEST = `
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
    spec: {restartPolicy: Never, containers: [{name: part, image: "busybox:1.36", command: ["sh", "-c", "echo part"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: broken}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {kedge.dev/simulated-run-seconds: "5", kedge.dev/simulated-exit-code: "3"}}
    spec: {restartPolicy: Never, containers: [{name: part, image: "busybox:1.36"}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old-web}
spec:
  replicas: 2
  selector: {app: old-web}
  template: {metadata: {labels: {app: old-web}}, spec: {containers: [{name: web, image: "nginx:1.25"}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: new-web}
spec:
  replicas: 2
  selector: {matchExpressions: [{key: env, operator: In, values: [production, qa]}]}
  template: {metadata: {labels: {env: qa}}, spec: {containers: [{name: web, image: "nginx:1.25"}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: manual
  hostPath: {path: /data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 500Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waiting}
spec: {accessModes: [ReadWriteOnce], storageClassName: later, resources: {requests: {storage: 1Gi}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: later}
provisioner: example.org/disks
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: asked}
spec: {accessModes: [ReadWriteOnce], storageClassName: now, resources: {requests: {storage: 1Gi}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: now}
provisioner: example.org/disks
---
apiVersion: v1
kind: Pod
metadata: {name: my-pod}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [worker-node-01]}]}]
  containers: [{name: app, image: "nginx:latest", imagePullPolicy: IfNotPresent}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: small}
spec: {hard: {pods: "20", persistentvolumeclaims: "5"}}
`;

/** Those of one second have no order of their own. */
const inOrder = (table: string): string => {
  const [head, ...lines] = table.split('\n');
  return [head, ...lines.map((line) => line.replace(/\.[0-9a-f]{16}$/, '.*')).sort()].join('\n');
};
/** Ages that kubectl reckons by its own clock, and when the lease was renewed last. */
const steady = (text: string): string =>
  text.replaceAll(/ {2}\d+d$/gm, '  AGE').replaceAll(/(RenewTime: ).*/g, '$1 TIME');

test('Jobs, older controllers, volumes, a pod without a place and a node', async () => {
  await using cluster = await wholeCluster(2);
  await cluster.apply(MANIFEST);
  await cluster.passes('90s');
  const kinds = 'jobs,rc,rs,pv,pvc,storageclasses,quota,nodes';
  expect(await shown(cluster, 'get', kinds, '-o', 'wide')).toMatchInlineSnapshot(`
    "NAME  STATUS  COMPLETIONS  DURATION  AGE  CONTAINERS  IMAGES  SELECTOR
    job.batch/broken  Failed  0/1  90s  90s  part  busybox:1.36  batch.kubernetes.io/controller-uid=UID
    job.batch/report  Complete  3/3  40s  90s  part  busybox:1.36  batch.kubernetes.io/controller-uid=UID

    NAME  DESIRED  CURRENT  READY  AGE  CONTAINERS  IMAGES  SELECTOR
    replicationcontroller/old-web  2  2  2  90s  web  nginx:1.25  app=old-web

    NAME  DESIRED  CURRENT  READY  AGE  CONTAINERS  IMAGES  SELECTOR
    replicaset.apps/new-web  2  2  2  90s  web  nginx:1.25  env in (production,qa)

    NAME  CAPACITY  ACCESS MODES  RECLAIM POLICY  STATUS  CLAIM  STORAGECLASS  VOLUMEATTRIBUTESCLASS  REASON  AGE  VOLUMEMODE
    persistentvolume/disk  1Gi  RWO  Retain  Bound  default/data  manual  <unset>  90s  Filesystem

    NAME  STATUS  VOLUME  CAPACITY  ACCESS MODES  STORAGECLASS  VOLUMEATTRIBUTESCLASS  AGE  VOLUMEMODE
    persistentvolumeclaim/asked  Pending  now  <unset>  90s  Filesystem
    persistentvolumeclaim/data  Bound  disk  1Gi  RWO  manual  <unset>  90s  Filesystem
    persistentvolumeclaim/waiting  Pending  later  <unset>  90s  Filesystem

    NAME  PROVISIONER  RECLAIMPOLICY  VOLUMEBINDINGMODE  ALLOWVOLUMEEXPANSION  AGE
    storageclass.storage.k8s.io/later  example.org/disks  Delete  WaitForFirstConsumer  false  90s
    storageclass.storage.k8s.io/now  example.org/disks  Delete  Immediate  false  90s

    NAME  REQUEST  LIMIT  AGE
    resourcequota/small  persistentvolumeclaims: 3/5, pods: 5/20  90s

    NAME  STATUS  ROLES  AGE  VERSION  INTERNAL-IP  EXTERNAL-IP  OS-IMAGE  KERNEL-VERSION  CONTAINER-RUNTIME
    node/NODE  Ready  <none>  90s  v1.36.0  198.18.0.0  <none>  simulated  simulated (amd64)  simulated://1
    node/NODE  Ready  <none>  90s  v1.36.0  198.18.0.1  <none>  simulated  simulated (amd64)  simulated://1"
  `);
  const events = await shown(cluster, 'get', 'events', '--field-selector', 'involvedObject.kind=Job', '-o', 'wide');
  expect(inOrder(events)).toMatchInlineSnapshot(`
    "LAST SEEN  TYPE  REASON  OBJECT  SUBOBJECT  SOURCE  MESSAGE  FIRST SEEN  COUNT  NAME
    50s  Normal  Completed  job/report  job-controller  Job completed  50s  1  report.*
    70s  Normal  SuccessfulCreate  job/report  job-controller  Created pod: report-2-*  70s  1  report.*
    85s  Warning  BackoffLimitExceeded  job/broken  job-controller  Job has reached the specified backoff limit  85s  1  broken.*
    90s  Normal  SuccessfulCreate  job/broken  job-controller  Created pod: broken-*  90s  1  broken.*
    90s  Normal  SuccessfulCreate  job/report  job-controller  Created pod: report-0-*  90s  1  report.*
    90s  Normal  SuccessfulCreate  job/report  job-controller  Created pod: report-1-*  90s  1  report.*"
  `);
  expect(await described(cluster, 'job', 'report')).toMatchInlineSnapshot(`
    "Name:  report
    Namespace:  default
    Selector:  batch.kubernetes.io/controller-uid=UID
    Labels:  batch.kubernetes.io/controller-uid=UID
      batch.kubernetes.io/job-name=report
      controller-uid=UID
      job-name=report
    Annotations:  <none>
    Parallelism:  2
    Completions:  3
    Completion Mode:  Indexed
    Suspend:  false
    Backoff Limit:  3
    Start Time:  Thu, 01 Jan 2026 00:00:00 +0000
    Completed At:  Thu, 01 Jan 2026 00:00:40 +0000
    Duration:  40s
    Pods Statuses:  0 Active (0 Ready) / 3 Succeeded / 0 Failed
    Completed Indexes:  0-2
    Pod Template:
      Labels:  batch.kubernetes.io/controller-uid=UID
      batch.kubernetes.io/job-name=report
      controller-uid=UID
      job-name=report
      Annotations:  kedge.dev/simulated-run-seconds: 20
      Containers:
      part:
      Image:  busybox:1.36
      Port:  <none>
      Host Port:  <none>
      Command:
      sh
      -c
      echo part
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  job-controller  Created pod: report-0-*
      Normal  SuccessfulCreate  AGE  job-controller  Created pod: report-1-*
      Normal  SuccessfulCreate  AGE  job-controller  Created pod: report-2-*
      Normal  Completed  AGE  job-controller  Job completed"
  `);
  expect(await described(cluster, 'job', 'broken')).toMatchInlineSnapshot(`
    "Name:  broken
    Namespace:  default
    Selector:  batch.kubernetes.io/controller-uid=UID
    Labels:  batch.kubernetes.io/controller-uid=UID
      batch.kubernetes.io/job-name=broken
      controller-uid=UID
      job-name=broken
    Annotations:  <none>
    Parallelism:  1
    Completions:  1
    Completion Mode:  NonIndexed
    Suspend:  false
    Backoff Limit:  0
    Start Time:  Thu, 01 Jan 2026 00:00:00 +0000
    Pods Statuses:  0 Active (0 Ready) / 0 Succeeded / 1 Failed
    Pod Template:
      Labels:  batch.kubernetes.io/controller-uid=UID
      batch.kubernetes.io/job-name=broken
      controller-uid=UID
      job-name=broken
      Annotations:  kedge.dev/simulated-exit-code: 3
      kedge.dev/simulated-run-seconds: 5
      Containers:
      part:
      Image:  busybox:1.36
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  job-controller  Created pod: broken-*
      Warning  BackoffLimitExceeded  AGE  job-controller  Job has reached the specified backoff limit"
  `);
  expect(await described(cluster, 'rc', 'old-web')).toMatchInlineSnapshot(`
    "Name:  old-web
    Namespace:  default
    Selector:  app=old-web
    Labels:  app=old-web
    Annotations:  <none>
    Replicas:  2 current / 2 desired
    Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
    Pod Template:
      Labels:  app=old-web
      Containers:
      web:
      Image:  nginx:1.25
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  replication-controller  Created pod: old-web-*
      Normal  SuccessfulCreate  AGE  replication-controller  Created pod: old-web-*"
  `);
  expect(await described(cluster, 'rs', 'new-web')).toMatchInlineSnapshot(`
    "Name:  new-web
    Namespace:  default
    Selector:  env in (production,qa)
    Labels:  <none>
    Annotations:  <none>
    Replicas:  2 current / 2 desired
    Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
    Pod Template:
      Labels:  env=qa
      Containers:
      web:
      Image:  nginx:1.25
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  replicaset-controller  Created pod: new-web-*
      Normal  SuccessfulCreate  AGE  replicaset-controller  Created pod: new-web-*"
  `);
  expect(await described(cluster, 'pv', 'disk')).toMatchInlineSnapshot(`
    "Name:  disk
    Labels:  <none>
    Annotations:  pv.kubernetes.io/bound-by-controller: yes
    Finalizers:  [kubernetes.io/pv-protection]
    StorageClass:  manual
    Status:  Bound
    Claim:  default/data
    Reclaim Policy:  Retain
    Access Modes:  RWO
    VolumeMode:  Filesystem
    Capacity:  1Gi
    Node Affinity:  <none>
    Message:
    Source:
      Type:  HostPath (bare host directory volume)
      Path:  /data
      HostPathType:
    Events:  <none>"
  `);
  expect(await described(cluster, 'pvc', 'data')).toMatchInlineSnapshot(`
    "Name:  data
    Namespace:  default
    StorageClass:  manual
    Status:  Bound
    Volume:  disk
    Labels:  <none>
    Annotations:  pv.kubernetes.io/bind-completed: yes
      pv.kubernetes.io/bound-by-controller: yes
    Finalizers:  [kubernetes.io/pvc-protection]
    Capacity:  1Gi
    Access Modes:  RWO
    VolumeMode:  Filesystem
    Used By:  <none>
    Events:  <none>"
  `);
  expect(await described(cluster, 'pvc', 'waiting')).toMatchInlineSnapshot(`
    "Name:  waiting
    Namespace:  default
    StorageClass:  later
    Status:  Pending
    Volume:
    Labels:  <none>
    Annotations:  <none>
    Finalizers:  [kubernetes.io/pvc-protection]
    Capacity:
    Access Modes:
    VolumeMode:  Filesystem
    Used By:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Warning  ProvisioningFailed  AGE  persistentvolume-controller  storageclass.storage.k8s.io "later" not found
      Normal  WaitForFirstConsumer  AGE  persistentvolume-controller  waiting for first consumer to be created before binding"
  `);
  expect(await described(cluster, 'pvc', 'asked')).toMatchInlineSnapshot(`
    "Name:  asked
    Namespace:  default
    StorageClass:  now
    Status:  Pending
    Volume:
    Labels:  <none>
    Annotations:  volume.beta.kubernetes.io/storage-provisioner: example.org/disks
      volume.kubernetes.io/storage-provisioner: example.org/disks
    Finalizers:  [kubernetes.io/pvc-protection]
    Capacity:
    Access Modes:
    VolumeMode:  Filesystem
    Used By:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Warning  ProvisioningFailed  AGE  persistentvolume-controller  storageclass.storage.k8s.io "now" not found
      Normal  ExternalProvisioning  AGE  persistentvolume-controller  Waiting for a volume to be created either by the external provisioner 'example.org/disks' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
  `);
  expect(await described(cluster, 'pod', 'my-pod')).toMatchInlineSnapshot(`
    "Name:  my-pod
    Namespace:  default
    Priority:  0
    Node:  <none>
    Labels:  <none>
    Annotations:  <none>
    Status:  Pending
    IP:
    IPs:  <none>
    Containers:
      app:
      Image:  nginx:latest
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
    Conditions:
      Type  Status
      PodScheduled  False
    Volumes:  <none>
    QoS Class:  BestEffort
    Node-Selectors:  <none>
    Tolerations:  node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
      node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Warning  FailedScheduling  AGE  default-scheduler  0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
  `);
  expect(await described(cluster, 'quota', 'small')).toMatchInlineSnapshot(`
    "Name:  small
    Namespace:  default
    Resource  Used  Hard
    --------  ----  ----
    persistentvolumeclaims  3  5
    pods  5  20"
  `);
  expect(steady(await described(cluster, 'node', 'node1'))).toMatchInlineSnapshot(`
    "Name:  NODE
    Roles:  <none>
    Labels:  beta.kubernetes.io/arch=amd64
      beta.kubernetes.io/os=linux
      kedge.dev/simulated=true
      kubernetes.io/arch=amd64
      kubernetes.io/hostname=NODE
      kubernetes.io/os=linux
    Annotations:  node.alpha.kubernetes.io/ttl: 0
    CreationTimestamp:  Thu, 01 Jan 2026 00:00:00 +0000
    Taints:  <none>
    Unschedulable:  false
    Lease:
      HolderIdentity:  NODE
      AcquireTime:  <unset>
      RenewTime:  TIME
    Conditions:
      Type  Status  LastHeartbeatTime  LastTransitionTime  Reason  Message
      ----  ------  -----------------  ------------------  ------  -------
      MemoryPressure  False  Thu, 01 Jan 2026 00:00:00 +0000  Thu, 01 Jan 2026 00:00:00 +0000  KubeletHasSufficientMemory  kubelet has sufficient memory available
      DiskPressure  False  Thu, 01 Jan 2026 00:00:00 +0000  Thu, 01 Jan 2026 00:00:00 +0000  KubeletHasNoDiskPressure  kubelet has no disk pressure
      PIDPressure  False  Thu, 01 Jan 2026 00:00:00 +0000  Thu, 01 Jan 2026 00:00:00 +0000  KubeletHasSufficientPID  kubelet has sufficient PID available
      Ready  True  Thu, 01 Jan 2026 00:00:00 +0000  Thu, 01 Jan 2026 00:00:00 +0000  KubeletReady  kubelet is posting ready status
    Addresses:
      InternalIP:  198.18.0.0
      Hostname:  NODE
    Capacity:
      cpu:  8
      ephemeral-storage:  100Gi
      memory:  32Gi
      pods:  110
    Allocatable:
      cpu:  8
      ephemeral-storage:  100Gi
      memory:  32Gi
      pods:  110
    System Info:
      Machine ID:  NODE
      System UUID:  NODE
      Boot ID:  NODE
      Kernel Version:  simulated
      OS Image:  simulated
      Operating System:  linux
      Architecture:  amd64
      Container Runtime Version:  simulated://1
      Kubelet Version:  v1.36.0
    PodCIDR:  IP/24
    PodCIDRs:  IP/24
    Non-terminated Pods:  (2 in total)
      Namespace  Name  CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
      ---------  ----  ------------  ----------  ---------------  -------------  ---
      default  new-web-*  0 (0%)  0 (0%)  0 (0%)  0 (0%)  AGE
      default  old-web-*  0 (0%)  0 (0%)  0 (0%)  0 (0%)  AGE
    Allocated resources:
      (Total limits may be over 100 percent, i.e., overcommitted.)
      Resource  Requests  Limits
      --------  --------  ------
      cpu  0 (0%)  0 (0%)
      memory  0 (0%)  0 (0%)
      ephemeral-storage  0 (0%)  0 (0%)
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  RegisteredNode  AGE  node-controller  Node NODE event: Registered Node NODE in Controller"
  `);
});
