/**
 * Holds pods to the level that their namespace asks for. What makes pods is let through with a warning: its pods will be
 * refused, and somebody should be told now. Source: documentation, "Pod Security Admission".
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { PodSpec, PodTemplateSpec } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { invalid } from '#api/machinery/status.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from '../define-admission.ts';
import { baseline } from './baseline.ts';
import { labelErrors, type Policy, policyFor } from './levels.ts';
import { restricted } from './restricted.ts';
import type { Check, PodMetadata } from './violation.ts';

const CHECKS: Readonly<Record<Policy['level'], readonly Check[]>> = { privileged: [], baseline, restricted };

/** `host namespaces (hostNetwork=true), privileged (container "c" …)`; undefined when the pod is good. */
export function violationsOf(spec: PodSpec, metadata: PodMetadata, { level }: Policy): string | undefined {
  const violations = CHECKS[level].flatMap((check) => check(spec, metadata) ?? []);
  return violations.length === 0
    ? undefined
    : violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
}

export const podSecurity = defineAdmission<Pod>({
  name: 'PodSecurity',
  on: {
    resources: [
      { group: '', plural: 'pods' },
      { group: '', plural: 'pods', subresource: 'ephemeralcontainers' },
    ],
    // What an update of a pod may change does not touch its security; new ephemeral containers do.
    verbs: ['create', 'update'],
  },
  reads: [Namespace],

  async validate(request, services) {
    const { object: pod, verb, subresource } = request;
    if (!pod || (verb === 'update' && !subresource)) return;
    const labels = await labelsOf(request, services);
    const enforced = policyFor('enforce', labels);
    if (!isPrivileged(labels)) request.annotate?.(`${PREFIX}enforce-policy`, textOf(enforced));
    note(request, pod.spec, { metadata: pod.metadata, policy: policyFor('audit', labels) });
    const violations = violationsOf(pod.spec, pod.metadata, enforced);
    if (violations) throw refused(request, `violates PodSecurity "${textOf(enforced)}": ${violations}`);
    warn(request, pod.spec, { metadata: pod.metadata, policy: policyFor('warn', labels) });
  },
});

const CONTROLLERS = [
  { group: '', plural: 'podtemplates' },
  { group: '', plural: 'replicationcontrollers' },
  { group: 'apps', plural: 'deployments' },
  { group: 'apps', plural: 'replicasets' },
  { group: 'apps', plural: 'daemonsets' },
  { group: 'apps', plural: 'statefulsets' },
  { group: 'batch', plural: 'jobs' },
  { group: 'batch', plural: 'cronjobs' },
];

export const podSecurityOfTemplates = defineAdmission<KubeObject>({
  name: 'PodSecurity',
  on: { resources: CONTROLLERS, verbs: ['create', 'update'] },
  reads: [Namespace],

  async validate(request, services) {
    const template = request.object && templateOf(request.object);
    if (!template?.spec || !(request.warn || request.annotate)) return;
    const labels = await labelsOf(request, services);
    const { spec, metadata = {} } = template;
    note(request, spec, { metadata, policy: policyFor('audit', labels) });
    warn(request, spec, { metadata, policy: policyFor('warn', labels) });
  },
});

export const podSecurityLabels = defineAdmission<Namespace>({
  name: 'PodSecurity',
  on: { resources: [{ group: '', plural: 'namespaces' }], verbs: ['create', 'update'] },

  validate({ object, old, name }) {
    const errors = labelErrors(object?.metadata.labels);
    const known = new Set(labelErrors(old?.metadata.labels).map(({ message }) => message));
    const added = errors.filter(({ message }) => !known.has(message));
    if (added.length > 0) throw invalid(Namespace, name, added);
  },
});

async function labelsOf({ namespace }: AdmissionRequest, { informers, live }: AdmissionServices) {
  const found = informers.for(Namespace).get(namespace) ?? (await live(Namespace, { name: namespace }));
  return found?.metadata.labels;
}

const textOf = ({ level, version }: Policy): string => `${level}:${version}`;

/** Of the keys that the audit event gets. */
const PREFIX = 'pod-security.kubernetes.io/';

/** Nothing is looked at then, and nothing is said. */
const isPrivileged = (labels: Readonly<Record<string, string>> | undefined): boolean =>
  (['enforce', 'audit', 'warn'] as const).every((mode) => policyFor(mode, labels).level === 'privileged');

interface Judged {
  metadata: PodMetadata;
  policy: Policy;
}

function warn(request: AdmissionRequest, spec: PodSpec, { metadata, policy }: Judged): void {
  const violations = request.warn && violationsOf(spec, metadata, policy);
  if (violations) request.warn?.(`would violate PodSecurity "${textOf(policy)}": ${violations}`);
}

/** For the audit event. */
function note({ annotate }: AdmissionRequest, spec: PodSpec, { metadata, policy }: Judged): void {
  const violations = annotate && violationsOf(spec, metadata, policy);
  if (violations) annotate(`${PREFIX}audit-violations`, `would violate PodSecurity "${textOf(policy)}": ${violations}`);
}

type WithTemplate = {
  template?: PodTemplateSpec;
  spec?: { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
};

const templateOf = (object: KubeObject): PodTemplateSpec | undefined => {
  const { template, spec } = object as KubeObject & WithTemplate;
  return template ?? spec?.template ?? spec?.jobTemplate?.spec?.template;
};
