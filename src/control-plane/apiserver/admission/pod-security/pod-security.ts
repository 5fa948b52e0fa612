/**
 * Holds pods to the level that their namespace asks for. What makes pods is let through with a warning: its pods will be
 * refused, and somebody should be told now. Source: documentation, "Pod Security Admission".
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { PodSpec, PodTemplateSpec } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { invalid } from '#api/machinery/status.ts';
import {
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionServices,
  defineAdmission,
  refused,
} from '../define-admission.ts';
import { checksOf } from './checks.ts';
import { warningsOfPods } from './existing-pods.ts';
import {
  defaultPolicies,
  hasLabel,
  isPrivileged,
  labelErrors,
  MODES,
  minorOf,
  type PodSecurityConfiguration,
  type Policies,
  type Policy,
  policiesOf,
  strictness,
  textOf,
} from './levels.ts';
import type { PodMetadata } from './violation.ts';

/** `host namespaces (hostNetwork=true), privileged (container "c" …)`; undefined when the pod is good. */
export function violationsOf(spec: PodSpec, metadata: PodMetadata, policy: Policy): string | undefined {
  const violations = checksOf(policy.level, minorOf(policy)).flatMap((check) => check(spec, metadata) ?? []);
  return violations.length === 0
    ? undefined
    : violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
}

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

/** Of namespaces, of pods, and of what makes pods. */
export function podSecurity(configuration: PodSecurityConfiguration = {}): readonly AdmissionPlugin[] {
  const { exemptions = {} } = configuration;
  const defaults = defaultPolicies(configuration.defaults);
  return [
    defineAdmission<Namespace>({
      name: 'PodSecurity',
      on: { resources: [{ group: '', plural: 'namespaces' }], verbs: ['create', 'update'] },
      reads: [Pod],
      validate(request, services) {
        refuseLabels(request);
        warnOfNamespace(request, { defaults, exemptions, informers: services.informers });
      },
    }),

    defineAdmission<Pod>({
      name: 'PodSecurity',
      on: {
        resources: [
          { group: '', plural: 'pods' },
          { group: '', plural: 'pods', subresource: 'ephemeralcontainers' },
        ],
        verbs: ['create', 'update'],
      },
      reads: [Namespace],
      validate(request, services) {
        const { object: pod, old } = request;
        if (!pod || (old && !hasOtherImages(pod.spec, old.spec))) return undefined;
        const exemption = exemptionOf(request, pod.spec, exemptions);
        if (exemption) return request.annotate?.(`${PREFIX}exempt`, exemption);
        const judge = (labels: Labels) => judgePod(request, pod, policiesOf(labels, defaults));
        const found = services.informers.for(Namespace).get(request.namespace);
        return found ? judge(found.metadata.labels) : labelsOf(request, services).then(judge);
      },
    }),

    defineAdmission<KubeObject>({
      name: 'PodSecurity',
      on: { resources: CONTROLLERS, verbs: ['create', 'update'] },
      reads: [Namespace],
      async validate(request, services) {
        const template = request.object && templateOf(request.object);
        if (!template?.spec || !(request.warn || request.annotate)) return;
        const { spec, metadata = {} } = template;
        const exemption = exemptionOf(request, spec, exemptions);
        if (exemption) return request.annotate?.(`${PREFIX}exempt`, exemption);
        const { audit, warn } = policiesOf(await labelsOf(request, services), defaults);
        note(request, spec, { metadata, policy: audit });
        warnOf(request, spec, { metadata, policy: warn });
      },
    }),
  ];
}

type Labels = Readonly<Record<string, string>> | undefined;
type Exemptions = NonNullable<PodSecurityConfiguration['exemptions']>;

function judgePod(request: AdmissionRequest, { spec, metadata }: Pod, policies: Policies): void {
  const { enforce, audit, warn } = policies;
  if (isPrivileged(policies)) return;
  request.annotate?.(`${PREFIX}enforce-policy`, textOf(enforce));
  note(request, spec, { metadata, policy: audit });
  const violations = violationsOf(spec, metadata, enforce);
  if (violations) throw refused(request, `violates PodSecurity "${textOf(enforce)}": ${violations}`);
  warnOf(request, spec, { metadata, policy: warn });
}

function exemptionOf(
  { namespace, user }: AdmissionRequest,
  { runtimeClassName }: PodSpec,
  { usernames, namespaces, runtimeClasses }: Exemptions,
): string | undefined {
  if (namespaces?.includes(namespace)) return 'namespace';
  if (usernames?.includes(user.name)) return 'user';
  return runtimeClassName && runtimeClasses?.includes(runtimeClassName) ? 'runtimeClass' : undefined;
}

/** Nothing else that an update may change touches the security of a pod. */
function hasOtherImages(next: PodSpec, current: PodSpec): boolean {
  const imagesOf = ({ containers, initContainers = [] }: PodSpec) =>
    [containers, initContainers].map((list) => list.map(({ image }) => image));
  const known = new Map(current.ephemeralContainers?.map(({ name, image }) => [name, image]));
  return (
    !isEqual(imagesOf(next), imagesOf(current)) ||
    (next.ephemeralContainers ?? []).some(({ name, image }) => !known.has(name) || known.get(name) !== image)
  );
}

function refuseLabels({ object, old, name }: AdmissionRequest<Namespace>): void {
  const errors = labelErrors(object?.metadata.labels);
  if (errors.length > 0 && !isEqual(errors, labelErrors(old?.metadata.labels))) throw invalid(Namespace, name, errors);
}

interface NamespaceWarnings extends Pick<AdmissionServices, 'informers'> {
  defaults: Policies;
  exemptions: Exemptions;
}

function warnOfNamespace(request: AdmissionRequest<Namespace>, more: NamespaceWarnings): void {
  const { object, old, warn } = request;
  if (!object || !warn) return;
  const { name, labels = {} } = object.metadata;
  const [next, current] = [policiesOf(labels, more.defaults), policiesOf(old?.metadata.labels, more.defaults)];
  if (old && !isStricter(next.enforce, current.enforce)) return;
  if (more.exemptions.namespaces?.includes(name)) {
    const told = MODES.filter((mode) => next[mode].level !== 'privileged' && hasLabel(labels, mode));
    const text = told.map((mode) => `${mode}=${textOf(next[mode])}`).join(', ');
    if (text && !isEqual(next, more.defaults))
      warn(`namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${text}) will be ignored`);
  } else if (old) {
    for (const text of warningsOfPods(name, next.enforce, more)) warn(text);
  }
}

function isStricter(next: Policy, current: Policy): boolean {
  if (isEqual(next, current) || next.level === 'privileged') return false;
  return next.version !== current.version || strictness(next.level) > strictness(current.level);
}

async function labelsOf({ namespace }: AdmissionRequest, { informers, live }: AdmissionServices): Promise<Labels> {
  const found = informers.for(Namespace).get(namespace) ?? (await live(Namespace, { name: namespace }));
  return found?.metadata.labels;
}

/** Of the keys that the audit event gets. */
const PREFIX = 'pod-security.kubernetes.io/';

interface Judged {
  metadata: PodMetadata;
  policy: Policy;
}

function warnOf(request: AdmissionRequest, spec: PodSpec, { metadata, policy }: Judged): void {
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
