/** Objects that the tests of our own client apply: one of most kinds that `describe` has words for. */

export const FILES: Record<string, string> = {
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
            - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
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
  - {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: slow}, provisioner: d, volumeBindingMode: WaitForFirstConsumer, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, b]}, {key: rack, values: [c]}]}]}
  - {apiVersion: v1, kind: PersistentVolume, metadata: {name: lasting}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: slow, csi: {driver: d, volumeHandle: h, volumeAttributes: {a: b, c: d}}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b, c]}, {key: d, operator: Exists}]}]}}}}
  - {apiVersion: v1, kind: PersistentVolume, metadata: {name: kept}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: slow, iscsi: {targetPortal: "1.2.3.4:3260", iqn: "iqn.2001-04.com.example:sn", lun: 1, portals: ["1.2.3.5:3260"]}}}
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
  - {apiVersion: v1, kind: Pod, metadata: {name: user}, spec: {schedulerName: nobody, containers: [{name: c, image: i}], volumes: [{name: a, persistentVolumeClaim: {claimName: claim}}, {name: b, persistentVolumeClaim: {claimName: claim}}]}}
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
