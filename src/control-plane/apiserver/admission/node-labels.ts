/** Which labels a kubelet may set on its own Node: with others it could draw pods to itself that are not meant for it. */

const RESTRICTED = 'node-restriction.kubernetes.io';
const ALLOWED: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const ALLOWED_PREFIXES = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

type Labels = Readonly<Record<string, string>> | undefined;

/** Labels that differ and that a kubelet has no right to; sorted. */
export function forbiddenLabelsAmong(next: Labels = {}, old: Labels = {}): string[] {
  const keys = new Set([...Object.keys(next), ...Object.keys(old)]);
  return [...keys].filter((key) => next[key] !== old[key] && isForbidden(key)).sort();
}

function isForbidden(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  if (isUnder(domain, RESTRICTED)) return true;
  if (!isUnder(domain, 'kubernetes.io') && !isUnder(domain, 'k8s.io')) return false;
  return !ALLOWED.has(key) && !ALLOWED_PREFIXES.some((prefix) => isUnder(domain, prefix));
}

const isUnder = (domain: string, parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`);
