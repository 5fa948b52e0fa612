/**
 * Which controllers run: `--controllers` as kube-controller-manager reads it. `*` is all that are on unless told otherwise,
 * `name` is that one, `-name` is all but that one; the first that names a controller counts. Source: controller-manager,
 * IsControllerEnabled; names and aliases of kube-controller-manager.
 */

/** Older names, which stay. */
const ALIASES: Readonly<Record<string, string>> = {
  'serviceaccount-token': 'serviceaccount-token-controller',
  endpoint: 'endpoints-controller',
  endpointslice: 'endpointslice-controller',
  endpointslicemirroring: 'endpointslice-mirroring-controller',
  replicationcontroller: 'replicationcontroller-controller',
  podgc: 'pod-garbage-collector-controller',
  resourcequota: 'resourcequota-controller',
  namespace: 'namespace-controller',
  serviceaccount: 'serviceaccount-controller',
  garbagecollector: 'garbage-collector-controller',
  daemonset: 'daemonset-controller',
  job: 'job-controller',
  deployment: 'deployment-controller',
  replicaset: 'replicaset-controller',
  horizontalpodautoscaling: 'horizontal-pod-autoscaler-controller',
  disruption: 'disruption-controller',
  statefulset: 'statefulset-controller',
  cronjob: 'cronjob-controller',
  csrsigning: 'certificatesigningrequest-signing-controller',
  csrapproving: 'certificatesigningrequest-approving-controller',
  csrcleaner: 'certificatesigningrequest-cleaner-controller',
  ttl: 'ttl-controller',
  bootstrapsigner: 'bootstrap-signer-controller',
  tokencleaner: 'token-cleaner-controller',
  nodeipam: 'node-ipam-controller',
  nodelifecycle: 'node-lifecycle-controller',
  service: 'service-lb-controller',
  route: 'node-route-controller',
  'cloud-node-lifecycle': 'cloud-node-lifecycle-controller',
  'persistentvolume-binder': 'persistentvolume-binder-controller',
  attachdetach: 'persistentvolume-attach-detach-controller',
  'persistentvolume-expander': 'persistentvolume-expander-controller',
  'clusterrole-aggregation': 'clusterrole-aggregation-controller',
  'pvc-protection': 'persistentvolumeclaim-protection-controller',
  'pv-protection': 'persistentvolume-protection-controller',
  'ttl-after-finished': 'ttl-after-finished-controller',
  'root-ca-cert-publisher': 'root-ca-certificate-publisher-controller',
  'ephemeral-volume': 'ephemeral-volume-controller',
  'storage-version-gc': 'storageversion-garbage-collector-controller',
  'resource-claim-controller': 'resourceclaim-controller',
  'legacy-service-account-token-cleaner': 'legacy-serviceaccount-token-cleaner-controller',
};

/** Upstream knows them; they work on what is not served here, or are for a cloud. */
const NOT_HERE = [
  'node-route-controller',
  'cloud-node-lifecycle-controller',
  'storageversion-garbage-collector-controller',
  'storage-version-migrator-controller',
  'selinux-warning-controller',
  'podcertificaterequest-cleaner-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'resourcepoolstatusrequest-controller',
  'podgroup-protection-controller',
];

/** Of kube-controller-manager: off unless they are named. */
const OFF_BY_DEFAULT = new Set([
  'bootstrap-signer-controller',
  'token-cleaner-controller',
  'selinux-warning-controller',
]);

/** As kube-controller-manager complains; none when the list can be used. */
export function complaintsAbout(list: readonly string[], known: readonly string[]): string[] {
  const names = new Set([...known, ...Object.values(ALIASES), ...NOT_HERE]);
  return list
    .filter((entry) => entry !== '*' && !names.has(canonical(entry).replace(/^-/, '')))
    .map((entry) => `${JSON.stringify(entry.replace(/^-/, ''))} is not in the list of known controllers`);
}

export function isSelected(name: string, list: readonly string[]): boolean {
  const choice = list.map(canonical).find((entry) => entry === name || entry === `-${name}`);
  if (choice !== undefined) return choice === name;
  return list.includes('*') && !OFF_BY_DEFAULT.has(name);
}

function canonical(entry: string): string {
  const [minus, name] = entry.startsWith('-') ? ['-', entry.slice(1)] : ['', entry];
  return minus + (Object.hasOwn(ALIASES, name) ? ALIASES[name] : name);
}
