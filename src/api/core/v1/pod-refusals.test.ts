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
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('v1', kind, content)).toEqual(refusals);
});
