/** A web application and what stands around it, as `kubectl get` and `kubectl describe` show them. */
import { expect, test } from 'vitest';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { described as explained, shown } from './kubectl-text.ts';
import { wholeCluster } from './story.ts';

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: web
          image: shop:1
          ports: [{name: http, containerPort: 8080}]
          resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 500m, memory: 128Mi}}
          readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  type: NodePort
  selector: {app: shop}
  ports: [{protocol: TCP, port: 80, targetPort: 8080, nodePort: 30090}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: db.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: public}
spec: {type: LoadBalancer, selector: {app: shop}, ports: [{port: 80, targetPort: 8080, nodePort: 30091}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "true"}}
spec:
  ingressClassName: nginx
  tls: [{hosts: [www.example.com], secretName: shop-tls}]
  rules:
    - host: www.example.com
      http:
        paths:
          - {path: /api/v1, pathType: Prefix, backend: {service: {name: api, port: {number: 8080}}}}
          - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  minReplicas: 2
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 2, selector: {matchLabels: {app: shop}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shop}
spec:
  podSelector: {matchLabels: {app: shop}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {access: "true"}}}], ports: [{protocol: TCP, port: 8080}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {url: "postgres://db.internal:5432/app"}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  nodeName: node1
  containers:
    - name: front
      image: nginx:1.25
      ports: [{containerPort: 80}]
      resources: {requests: {memory: 64Mi, cpu: 250m}, limits: {memory: 128Mi, cpu: 500m}}
    - name: back
      image: node:18-alpine
      env: [{name: DATABASE_URL, valueFrom: {secretKeyRef: {name: db, key: url}}}]
      volumeMounts: [{name: shared, mountPath: /app/data}]
  volumes: [{name: shared, emptyDir: {}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pod-reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: read-pods}
subjects: [{kind: User, name: alice@example.com, apiGroup: rbac.authorization.k8s.io}]
roleRef: {kind: Role, name: pod-reader, apiGroup: rbac.authorization.k8s.io}
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
    spec: {containers: [{name: db, image: "busybox:1.36"}]}
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
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: "*/1 * * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        metadata: {annotations: {kedge.dev/simulated-run-seconds: "5"}}
        spec: {restartPolicy: OnFailure, containers: [{name: backup, image: "busybox:1.36"}]}
`;

const described = async (cluster: TestCluster, ...what: string[]): Promise<string> =>
  (await explained(cluster, ...what))
    .replaceAll(/(shop|agent|backup)-[a-z0-9]{8,10}/g, '$1-HASH')
    .replaceAll(/(shop-HASH|agent|backup-HASH)-[a-z0-9]{5}\b/g, '$1-*')
    .replaceAll(/(hash=)\w+/g, '$1HASH');

/** As upstream says it where nobody has installed metrics-server. */
const NO_METRICS =
  'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)';

test('a web application and what stands around it', async () => {
  await using cluster = await wholeCluster(2);
  await cluster.apply(MANIFEST);
  await cluster.passes('90s');
  const all = 'deployments,services,ingresses,hpa,pdb,networkpolicies,secrets,roles,rolebindings,cronjobs';
  expect(await shown(cluster, 'get', all, '-o', 'wide')).toMatchInlineSnapshot(`
    "NAME  READY  UP-TO-DATE  AVAILABLE  AGE  CONTAINERS  IMAGES  SELECTOR
    deployment.apps/shop  3/3  3  3  90s  web  shop:1  app=shop

    NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE  SELECTOR
    service/elsewhere  ExternalName  <none>  db.example.com  <none>  90s  <none>
    service/public  LoadBalancer  IP  <pending>  80:30091/TCP  90s  app=shop
    service/shop  NodePort  IP  <none>  80:30090/TCP  90s  app=shop

    NAME  CLASS  HOSTS  ADDRESS  PORTS  AGE
    ingress.networking.k8s.io/shop  nginx  www.example.com  80, 443  90s

    NAME  REFERENCE  TARGETS  MINPODS  MAXPODS  REPLICAS  AGE
    horizontalpodautoscaler.autoscaling/shop  Deployment/shop  cpu: <unknown>/60%  2  10  3  90s

    NAME  MIN AVAILABLE  MAX UNAVAILABLE  ALLOWED DISRUPTIONS  AGE
    poddisruptionbudget.policy/shop  2  N/A  1  90s

    NAME  POD-SELECTOR  AGE
    networkpolicy.networking.k8s.io/shop  app=shop  90s

    NAME  TYPE  DATA  AGE
    secret/db  Opaque  1  90s

    NAME  CREATED AT
    role.rbac.authorization.k8s.io/pod-reader  2026-01-01T00:00:00Z

    NAME  ROLE  AGE  USERS  GROUPS  SERVICEACCOUNTS
    rolebinding.rbac.authorization.k8s.io/read-pods  Role/pod-reader  90s  alice@example.com  

    NAME  SCHEDULE  TIMEZONE  SUSPEND  ACTIVE  LAST SCHEDULE  AGE  CONTAINERS  IMAGES  SELECTOR
    cronjob.batch/backup  */1 * * * *  <none>  False  0  30s  90s  backup  busybox:1.36  <none>"
  `);
  expect(await shown(cluster, 'get', 'pod', 'two', '-o', 'wide')).toMatchInlineSnapshot(`
    "NAME  READY  STATUS  RESTARTS  AGE  IP  NODE  NOMINATED NODE  READINESS GATES
    two  2/2  Running  0  90s  IP  NODE  <none>  <none>"
  `);
  expect(await described(cluster, 'deployment', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Namespace:  default
    CreationTimestamp:  Thu, 01 Jan 2026 00:00:00 +0000
    Labels:  app=shop
    Annotations:  deployment.kubernetes.io/revision: 1
    Selector:  app=shop
    Replicas:  3 desired | 3 updated | 3 total | 3 available | 0 unavailable
    StrategyType:  RollingUpdate
    MinReadySeconds:  0
    RollingUpdateStrategy:  25% max unavailable, 25% max surge
    Pod Template:
      Labels:  app=shop
      Containers:
      web:
      Image:  shop:1
      Port:  8080/TCP (http)
      Host Port:  0/TCP (http)
      Limits:
      cpu:  500m
      memory:  128Mi
      Requests:
      cpu:  50m
      memory:  32Mi
      Readiness:  http-get http://:http/ready delay=0s timeout=1s period=1s #success=1 #failure=3
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Conditions:
      Type  Status  Reason
      ----  ------  ------
      Available  True  MinimumReplicasAvailable
      Progressing  True  NewReplicaSetAvailable
    OldReplicaSets:  <none>
    NewReplicaSet:  shop-HASH (3/3 replicas created)
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  ScalingReplicaSet  AGE  deployment-controller  Scaled up replica set shop-HASH from 0 to 3"
  `);
  expect(await described(cluster, 'statefulset', 'db')).toMatchInlineSnapshot(`
    "Name:  db
    Namespace:  default
    CreationTimestamp:  Thu, 01 Jan 2026 00:00:00 +0000
    Selector:  app=db
    Labels:  <none>
    Annotations:  <none>
    Replicas:  2 desired | 2 total
    Update Strategy:  RollingUpdate
      Partition:  0
    Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
    Pod Template:
      Labels:  app=db
      Containers:
      db:
      Image:  busybox:1.36
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Volume Claims:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  statefulset-controller  Create Pod db-0 in StatefulSet db successful
      Normal  SuccessfulCreate  AGE  statefulset-controller  Create Pod db-1 in StatefulSet db successful"
  `);
  expect(await described(cluster, 'daemonset', 'agent')).toMatchInlineSnapshot(`
    "Name:  agent
    Namespace:  default
    Selector:  app=agent
    Node-Selector:  <none>
    Labels:  <none>
    Annotations:  deprecated.daemonset.template.generation: 1
    Desired Number of Nodes Scheduled: 2
    Current Number of Nodes Scheduled: 2
    Number of Nodes Scheduled with Up-to-date Pods: 2
    Number of Nodes Scheduled with Available Pods: 2
    Number of Nodes Misscheduled: 0
    Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
    Pod Template:
      Labels:  app=agent
      Containers:
      agent:
      Image:  busybox:1.36
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  op=Exists
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  daemonset-controller  Created pod: agent-*
      Normal  SuccessfulCreate  AGE  daemonset-controller  Created pod: agent-*"
  `);
  expect(await described(cluster, 'cronjob', 'backup')).toMatchInlineSnapshot(`
    "Name:  backup
    Namespace:  default
    Labels:  <none>
    Annotations:  <none>
    Schedule:  */1 * * * *
    Concurrency Policy:  Forbid
    Suspend:  False
    Time Zone:  <unset>
    Successful Job History Limit:  3
    Failed Job History Limit:  1
    Starting Deadline Seconds:  <unset>
    Selector:  <unset>
    Parallelism:  <unset>
    Completions:  <unset>
    Pod Template:
      Labels:  <none>
      Annotations:  kedge.dev/simulated-run-seconds: 5
      Containers:
      backup:
      Image:  busybox:1.36
      Port:  <none>
      Host Port:  <none>
      Environment:  <none>
      Mounts:  <none>
      Volumes:  <none>
      Node-Selectors:  <none>
      Tolerations:  <none>
    Last Schedule Time:  Thu, 01 Jan 2026 00:01:00 +0000
    Active Jobs:  <none>
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Normal  SuccessfulCreate  AGE  cronjob-controller  Created job backup-HASH
      Normal  SawCompletedJob  AGE  cronjob-controller  Saw completed job: backup-HASH, condition: Complete"
  `);
  const { conditions = [] } = cluster.get(HorizontalPodAutoscaler, 'default/shop')!.status!;
  expect(conditions.at(-1)?.message).toBe(`the HPA was unable to compute the replica count: ${NO_METRICS}`);
  expect(await described(cluster, 'hpa', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Namespace:  default
    Labels:  <none>
    Annotations:  <none>
    CreationTimestamp:  Thu, 01 Jan 2026 00:00:00 +0000
    Reference:  Deployment/shop
    Metrics:  ( current / target )
      resource cpu on pods  (as a percentage of request):  <unknown> / 60%
    Min replicas:  2
    Max replicas:  10
    Deployment pods:  3 current / 0 desired
    Conditions:
      Type  Status  Reason  Message
      ----  ------  ------  -------
      AbleToScale  True  SucceededGetScale  the HPA controller was able to get the target's current scale
      ScalingActive  False  FailedGetResourceMetric  the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)
    Events:
      Type  Reason  Age  From  Message
      ----  ------  ----  ----  -------
      Warning  FailedGetResourceMetric  AGE  horizontal-pod-autoscaler  failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)
      Warning  FailedComputeMetricsReplicas  AGE  horizontal-pod-autoscaler  invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
  `);
  expect(await described(cluster, 'pdb', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Namespace:  default
    Min available:  2
    Selector:  app=shop
    Status:
      Allowed disruptions:  1
      Current:  3
      Desired:  2
      Total:  3
    Events:  <none>"
  `);
  expect(await described(cluster, 'service', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Namespace:  default
    Labels:  <none>
    Annotations:  <none>
    Selector:  app=shop
    Type:  NodePort
    IP Family Policy:  SingleStack
    IP Families:  IPv4
    IP:  IP
    IPs:  IP
    Port:  <unset>  80/TCP
    TargetPort:  8080/TCP
    NodePort:  <unset>  30090/TCP
    Endpoints:  IP:8080,IP:8080,IP:8080
    Session Affinity:  None
    External Traffic Policy:  Cluster
    Internal Traffic Policy:  Cluster
    Events:  <none>"
  `);
  expect(await described(cluster, 'service', 'public')).toMatchInlineSnapshot(`
    "Name:  public
    Namespace:  default
    Labels:  <none>
    Annotations:  <none>
    Selector:  app=shop
    Type:  LoadBalancer
    IP Family Policy:  SingleStack
    IP Families:  IPv4
    IP:  IP
    IPs:  IP
    Port:  <unset>  80/TCP
    TargetPort:  8080/TCP
    NodePort:  <unset>  30091/TCP
    Endpoints:  IP:8080,IP:8080,IP:8080
    Session Affinity:  None
    External Traffic Policy:  Cluster
    Internal Traffic Policy:  Cluster
    Events:  <none>"
  `);
  expect(await described(cluster, 'ingress', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Labels:  <none>
    Namespace:  default
    Address:
    Ingress Class:  nginx
    Default backend:  <default>
    TLS:
      shop-tls terminates www.example.com
    Rules:
      Host  Path  Backends
      ----  ----  --------
      www.example.com
      /api/v1  api:8080 (<error: services "api" not found>)
      /  shop:80 (IP:8080,IP:8080,IP:8080)
    Annotations:  nginx.ingress.kubernetes.io/ssl-redirect: true
    Events:  <none>"
  `);
  expect(await described(cluster, 'networkpolicy', 'shop')).toMatchInlineSnapshot(`
    "Name:  shop
    Namespace:  default
    Created on:  2026-01-01 00:00:00 +0000 UTC
    Labels:  <none>
    Annotations:  <none>
    Spec:
      PodSelector:  app=shop
      Allowing ingress traffic:
      To Port: 8080/TCP
      From:
      PodSelector: access=true
      Not affecting egress traffic
      Policy Types: Ingress"
  `);
  expect(await described(cluster, 'pod', 'two')).toMatchInlineSnapshot(`
    "Name:  two
    Namespace:  default
    Priority:  0
    Node:  NODE/198.18.0.0
    Start Time:  Thu, 01 Jan 2026 00:00:00 +0000
    Labels:  app=two
    Annotations:  <none>
    Status:  Running
    IP:  IP
    IPs:
      IP:  IP
    Containers:
      front:
      Container ID:  simulated://UID/front
      Image:  nginx:1.25
      Image ID:  simulated://nginx:1.25
      Port:  80/TCP
      Host Port:  0/TCP
      State:  Running
      Started:  Thu, 01 Jan 2026 00:00:00 +0000
      Ready:  True
      Restart Count:  0
      Limits:
      cpu:  500m
      memory:  128Mi
      Requests:
      cpu:  250m
      memory:  64Mi
      Environment:  <none>
      Mounts:  <none>
      back:
      Container ID:  simulated://UID/back
      Image:  node:18-alpine
      Image ID:  simulated://node:18-alpine
      Port:  <none>
      Host Port:  <none>
      State:  Running
      Started:  Thu, 01 Jan 2026 00:00:00 +0000
      Ready:  True
      Restart Count:  0
      Environment:
      DATABASE_URL:  <set to the key 'url' in secret 'db'>  Optional: false
      Mounts:
      /app/data from shared (rw)
    Conditions:
      Type  Status
      PodReadyToStartContainers  True
      Initialized  True
      Ready  True
      ContainersReady  True
      PodScheduled  True
    Volumes:
      shared:
      Type:  EmptyDir (a temporary directory that shares a pod's lifetime)
      Medium:
      SizeLimit:  <unset>
    QoS Class:  Burstable
    Node-Selectors:  <none>
    Tolerations:  node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
      node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
    Events:  <none>"
  `);
});
