import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'Pod',
    'volumes that are none, twice and unnamed',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        volumes: [
          { name: 'v', hostPath: {} },
          { name: 'w', emptyDir: { sizeLimit: '-1' } },
          { nfs: { path: 'p' } },
          { name: 'x', secret: { secretName: 's' }, configMap: { name: 'c' } },
        ],
      },
    },
    [
      'spec.volumes[0].hostPath.path: Required value',
      'spec.volumes[1].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
      'spec.volumes[2].nfs.server: Required value',
      'spec.volumes[2].nfs.path: Invalid value: "p": must be an absolute path',
      'spec.volumes[2].name: Required value',
      'spec.volumes[3].configMap: Forbidden: may not specify more than 1 volume type',
    ],
  ],
  [
    'Pod',
    'a template of a claim with more metadata than labels and annotations',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        volumes: [
          {
            name: 'v',
            ephemeral: {
              volumeClaimTemplate: {
                metadata: {
                  name: 'n',
                  namespace: 'x',
                  uid: 'u',
                  labels: { 'a b': 'c' },
                  finalizers: ['a/b'],
                  ownerReferences: [{ apiVersion: 'v1', kind: 'P', name: 'n', uid: 'u' }],
                },
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
              },
            },
          },
        ],
      },
    },
    [
      `spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      ...['name', 'namespace', 'uID', 'ownerReferences', 'finalizers'].map(
        (name) => `spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.${name}: Forbidden: cannot be set`,
      ),
    ],
  ],
  [
    'Service',
    'what has no meaning for its type',
    {
      spec: {
        type: 'ExternalName',
        externalName: 'a.example.com',
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1'],
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        loadBalancerSourceRanges: ['10.0.0.0/8'],
        externalIPs: ['010.0.0.1'],
        trafficDistribution: 'Near',
      },
    },
    [
      'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
      'spec.externalIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s',
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
  ],
  [
    'Service',
    'addresses of several families that do not fit together',
    {
      spec: {
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1', '10.0.0.2', '2001:db8::1'],
        ipFamilies: ['IPv6', 'IPv6', 'IPv5'],
        ipFamilyPolicy: 'Odd',
        ports: [{ port: 80 }],
      },
    },
    [
      'spec.ipFamilies[1]: Duplicate value: "IPv6"',
      'spec.ipFamilies[2]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
      'spec.ipFamilyPolicy: Unsupported value: "Odd": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2","2001:db8::1"]: may only hold up to 2 values',
      'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
      'spec.clusterIPs[1]: Invalid value: "10.0.0.2": expected an IPv6 value as indicated by `ipFamilies[1]`',
    ],
  ],
  [
    'Service',
    'addresses of one family, and of none',
    { spec: { clusterIP: '2001:db8::1', clusterIPs: ['2001:db8::1', '2001:db8::2'], ports: [{ port: 80 }] } },
    [
      'spec.clusterIPs: Invalid value: ["2001:db8::1","2001:db8::2"]: may specify no more than one IP for each IP family',
    ],
  ],
  [
    'Service',
    'a list of addresses without the first one, no name for two ports',
    { spec: { clusterIPs: ['None', ''], ports: [{ port: 80 }, { port: 80, protocol: 'UDP', name: 'A' }] } },
    [
      'spec.ports[0].name: Required value',
      `spec.ports[1].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      'spec.clusterIPs: Invalid value: ["None",""]: must be empty when `clusterIP` is not specified',
      `spec.clusterIPs: Invalid value: ["None",""]: 'None' must be the first and only value`,
      'spec.clusterIPs[1]: Invalid value: "": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
  ],
  [
    'Service',
    'a load balancer with ranges, ports and addresses that are none',
    {
      metadata: {
        annotations: {
          'service.kubernetes.io/topology-aware-hints': 'auto',
          'service.kubernetes.io/topology-mode': 'Auto',
        },
      },
      spec: {
        type: 'LoadBalancer',
        clusterIP: 'None',
        clusterIPs: ['None'],
        ports: [
          { name: 'a', port: 80, nodePort: 30000 },
          { name: 'b', port: 81, nodePort: 30000 },
        ],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } },
        externalIPs: ['169.254.1.1', '::ffff:1.2.3.4'],
        loadBalancerSourceRanges: ['10.0.0.1/8', ' 10.0.0.0/8 ', '010.0.0.0/8'],
        loadBalancerClass: 'a b',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 70000,
        internalTrafficPolicy: 'Odd',
      },
    },
    [
      'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
      `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for LoadBalancer services`,
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
      'spec.externalIPs[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'spec.externalIPs[1]: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address',
      'spec.ports[1].nodePort: Duplicate value: 30000',
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
      'spec.LoadBalancerSourceRanges[2]: Invalid value: "010.0.0.0/8": must not have leading 0s in IP or prefix length',
      `spec.loadBalancerClass: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'spec.internalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"',
    ],
  ],
  [
    'PersistentVolume',
    'no access, no capacity, two sources of which one is not whole',
    {
      spec: {
        capacity: { cpu: '0' },
        csi: { driver: 'd', nodePublishSecretRef: {} },
        iscsi: { targetPortal: 't', iqn: 'x', lun: 300 },
        volumeAttributesClassName: '',
        storageClassName: 'A',
        nodeAffinity: {},
      },
    },
    [
      'spec.accessModes: Required value',
      'spec.capacity: Unsupported value: {"cpu":"0"}: supported values: "storage"',
      'spec.capacity[cpu]: Invalid value: "0": must be greater than zero',
      'spec.nodeAffinity.required: Required value: must specify required node constraints',
      'spec.iscsi.iqn: Invalid value: "x": must be valid format',
      'spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive',
      'spec.csi: Forbidden: may not specify more than 1 volume type',
      `spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
    ],
  ],
  [
    'PersistentVolume',
    'a place on a node that is not named, and mount options that nobody reads',
    {
      metadata: { annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, local: { path: '../a' } },
    },
    [
      'spec.local.path: Invalid value: "../a": must not contain \'..\'',
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
      'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
    ],
  ],
  [
    'Pod',
    'mounts and devices',
    {
      spec: {
        containers: [
          {
            name: 'c',
            image: 'i',
            volumeMounts: [
              { name: 'v', mountPath: '/a', subPath: '../x' },
              { name: 'lost', mountPath: '/a', mountPropagation: 'Bidirectional' },
            ],
            volumeDevices: [{ name: 'v', devicePath: '/d/../e' }],
          },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
      },
    },
    [
      'spec.containers[0].volumeMounts[0].name: Invalid value: "v": must not already exist in volumeDevices',
      `spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain '..'`,
      'spec.containers[0].volumeMounts[1].name: Not found: "lost"',
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
      'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
      'spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      `spec.containers[0].volumeDevices[0].devicePath: Invalid value: "/d/../e": can not contain backsteps ('..')`,
      'spec.containers[0].volumeDevices[0].name: Invalid value: "v": must not already exist in volumeMounts',
    ],
  ],
  [
    'Pod',
    'variables',
    {
      spec: {
        containers: [
          {
            name: 'c',
            image: 'i',
            env: [
              { name: 'A=', value: 'x' },
              { name: 'B', valueFrom: { fieldRef: { fieldPath: 'spec.lost' } } },
              { name: 'C', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } },
              { name: 'D', valueFrom: {} },
            ],
            envFrom: [{}],
          },
        ],
      },
    },
    [
      `spec.containers[0].env[0].name: Invalid value: "A=": a valid environment variable name must consist only of printable ASCII characters other than '='`,
      'spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Invalid value: "spec.lost": error converting fieldPath: field label not supported: spec.lost',
      `spec.containers[0].env[2].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
      'spec.containers[0].env[3].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
    ],
  ],
  [
    'Pod',
    'who its processes are',
    {
      spec: {
        containers: [
          {
            name: 'c',
            image: 'i',
            securityContext: {
              procMount: 'Unmasked',
              seccompProfile: {},
              appArmorProfile: { type: 'Localhost' },
              windowsOptions: { runAsUserName: 'a\\b\\c' },
            },
          },
        ],
      },
    },
    [
      'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
      'spec.containers[0].securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set',
      'spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash',
      'spec.containers[0].securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost',
    ],
  ],
  [
    'Pod',
    'restarts',
    {
      spec: {
        containers: [
          { name: 'c', image: 'i', restartPolicyRules: [{ action: 'Stop' }], resizePolicy: [{ resourceName: 'disk' }] },
        ],
      },
    },
    [
      'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"',
      'spec.containers[0].resizePolicy: Required value',
      'spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used',
      'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"',
      'spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified',
    ],
  ],
  [
    'Pod',
    'where it may run',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        tolerations: [
          { key: 'k', operator: 'Exists', value: 'x' },
          { operator: 'Gt', key: 'k', value: '1' },
        ],
        topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'z', whenUnsatisfiable: 'Now', minDomains: 0 }],
      },
    },
    [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Now": supported values: "DoNotSchedule", "ScheduleAnyway"',
      'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not Now',
      `spec.tolerations[0].operator: Invalid value: "x": value must be empty when \`operator\` is 'Exists'`,
      'spec.tolerations[1].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"',
    ],
  ],
  [
    'Pod',
    'its own resources',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        resources: { requests: { cpu: '2', storage: '1' }, limits: { cpu: '1' } },
      },
    },
    [
      'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
      'spec.resources.requests[storage]: Unsupported value: "storage": supported values: "cpu", "hugepages-", "memory"',
    ],
  ],
  [
    'Pod',
    'Windows',
    {
      spec: {
        containers: [{ name: 'c', image: 'i', securityContext: { privileged: true } }],
        os: { name: 'windows' },
        hostPID: true,
      },
    },
    [
      'spec.hostPID: Forbidden: cannot be set for a windows pod',
      'spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod',
    ],
  ],
  [
    'Pod',
    'names and addresses',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        dnsPolicy: 'Some',
        dnsConfig: { nameservers: ['1.2.3'], searches: ['-a'] },
        hostAliases: [{ ip: 'x', hostnames: ['A'] }],
        hostname: 'A.b',
        hostnameOverride: 'Z',
      },
    },
    [
      'spec.dnsPolicy: Unsupported value: "Some": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
      'spec.dnsConfig.nameservers[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      `spec.dnsConfig.searches[0]: Invalid value: "-a": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')`,
      `spec.hostnameOverride: Invalid value: "Z": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      `spec.hostname: Invalid value: "A.b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      `spec.hostAliases[0].hostnames[0]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    'Pod',
    'ephemeral containers',
    {
      spec: {
        containers: [{ name: 'c', image: 'i' }],
        ephemeralContainers: [
          { name: 'e', image: 'i', targetContainerName: 'lost', lifecycle: { preStop: { sleep: { seconds: 1 } } } },
        ],
      },
    },
    [
      'spec.ephemeralContainers[0].targetContainerName: Not found: "lost"',
      'spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an Ephemeral Container',
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    ],
  ],
  [
    'ConfigMap',
    'keys',
    { data: { k: '1' }, binaryData: { k: 'AA==', 'a b': 'AA==' } },
    [
      'data[k]: Invalid value: "k": duplicate of key present in binaryData',
      `binaryData[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
    ],
  ],
  [
    'LimitRange',
    'limits that contradict',
    {
      spec: {
        limits: [
          { type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } },
          { type: 'Pod', default: { cpu: '1' } },
          { type: 'Container' },
        ],
      },
    },
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
      'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      `spec.limits[1].default: Forbidden: may not be specified when \`type\` is 'Pod'`,
      'spec.limits[2].type: Duplicate value: "Container"',
    ],
  ],
  [
    'ResourceQuota',
    'names, amounts and scopes',
    { spec: { hard: { pods: '-1', foo: '1' }, scopes: ['Terminating', 'NotTerminating', 'Lost'] } },
    [
      'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
      'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
      'spec.scopes: Invalid value: ["Terminating","NotTerminating","Lost"]: unsupported scope',
      'spec.scopes: Invalid value: ["Terminating","NotTerminating","Lost"]: conflicting scopes',
    ],
  ],
  [
    'ReplicationController',
    'nothing',
    { spec: {} },
    ['spec.selector: Required value', 'spec.template: Required value'],
  ],
  [
    'PersistentVolumeClaim',
    'access, size and source',
    {
      spec: {
        accessModes: ['Some'],
        resources: { requests: { storage: '-1' } },
        dataSource: { kind: 'VolumeSnapshot', name: '' },
      },
    },
    [
      'spec.accessModes: Unsupported value: "Some": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.resources[storage]: Invalid value: "-1": must be greater than zero',
    ],
  ],
  [
    'Endpoints',
    'addresses and ports',
    {
      subsets: [
        { addresses: [{ ip: '127.0.0.1' }, { ip: 'x' }], ports: [{ port: 0 }, { port: 70000, protocol: 'ICMP' }] },
        {},
      ],
    },
    [
      'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address',
      'subsets[0].ports[0].name: Required value',
      'subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'subsets[0].ports[1].name: Required value',
      'subsets[0].ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'subsets[0].ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      'subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`',
    ],
  ],
  [
    'Node',
    'taints, amounts and features',
    {
      spec: {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
          { key: 'b', effect: 'Never', value: 'x y' },
        ],
      },
      status: { capacity: { pods: '1500m' }, allocatable: { cpu: '-1' }, declaredFeatures: ['B', 'A', 'A'] },
    },
    [
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
      `metadata.taints[2].value: Invalid value: "x y": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
      'metadata.taints[2].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'status.capacity.pods: Invalid value: "1500m": must be an integer',
      'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
      'status.declaredFeatures[2]: Duplicate value: "A"',
    ],
  ],
  [
    'Namespace',
    'finalizers',
    { spec: { finalizers: ['foregroundDeletion', 'mine', 'a b'] } },
    [
      'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      `spec.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.finalizers: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('v1', kind, content)).toEqual(refusals);
});
