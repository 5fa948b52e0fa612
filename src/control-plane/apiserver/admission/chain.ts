/** The admission plugins in upstream's order, because one plugin sees what those before it made; and how they are run. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { type Soon, soon } from '#base/soon.ts';
import type { EscalationServices } from '../authorization/escalation.ts';
import { AdmissionPass, type Ask, type Timed } from './admission-pass.ts';
import { AdmissionTimes, type AdmissionType, type TimesOf } from './admission-times.ts';
import { alwaysDeny } from './always-deny.ts';
import { alwaysPullImages } from './always-pull-images.ts';
import { certificateSubjectRestriction } from './certificate-subject.ts';
import { certificateApproval, certificateSigning } from './certificates.ts';
import { type ChosenPlugins, NOTHING_CHOSEN, runs } from './chosen-plugins.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds, type TolerationSeconds } from './default-toleration-seconds.ts';
import type {
  AdmissionPlugin,
  AdmissionRequest,
  AdmissionServices,
  AdmissionVerb,
  Reinvocation,
} from './define-admission.ts';
import { denyServiceExternalIps } from './deny-service-external-ips.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { extendedResourceToleration } from './extended-resource-toleration.ts';
import { limitPodHardAntiAffinityTopology } from './limit-pod-hard-anti-affinity-topology.ts';
import { limitRanger, limitRangerOnClaims, limitRangerOnResize } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { namespaceAutoProvision, namespaceExists } from './namespace-provision.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-feature-validator.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ownerReferencesPermission } from './owner-references-permission.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podResizeValidator } from './pod-resize-validator.ts';
import { podSecurity } from './pod-security/pod-security.ts';
import { podTolerationRestriction } from './pod-toleration-restriction.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { mutatingPolicies } from './policies/mutating-policies.ts';
import { bindingParamAccess, policyParamAccess } from './policies/param-access.ts';
import { PolicyChecks } from './policies/policy-checks.ts';
import { validatingPolicies } from './policies/validating-policies.ts';
import { priority, singleDefaultPriorityClass } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { type QuotaServices, resourceQuota } from './resource-quota/resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccountOfEphemeral, serviceAccountPlugin } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { mutatingWebhooks } from './webhooks/mutating-webhooks.ts';
import { validatingWebhooks } from './webhooks/validating-webhooks.ts';
import { WebhookCalls } from './webhooks/webhook-calls.ts';

export interface AdmissionOptions {
  rbac: EscalationServices['rbac'];
  /** How long pods stay on a node that is not ready or cannot be reached; tests and impatient clusters shorten it. */
  tolerationSeconds?: TolerationSeconds;
  /** The server as its own plugins see it. Absent: quotas are not charged, namespaces not made. */
  loopback?: QuotaServices;
  chosen?: ChosenPlugins;
}

/** Those that run, in upstream's order. */
export function defaultAdmission(options: AdmissionOptions): readonly AdmissionPlugin[] {
  const { rbac, tolerationSeconds, loopback, chosen = NOTHING_CHOSEN } = options;
  const { EventRateLimit, PodNodeSelector, PodSecurity, PodTolerationRestriction, ResourceQuota } =
    chosen.configuration;
  const plugins = [
    ...(loopback ? [namespaceAutoProvision(loopback.client)] : []),
    namespaceLifecycle(),
    namespaceExists,
    limitPodHardAntiAffinityTopology,
    limitRanger,
    limitRangerOnResize,
    limitRangerOnClaims,
    serviceAccountPlugin,
    serviceAccountOfEphemeral,
    nodeRestriction,
    taintNodesByCondition,
    alwaysPullImages,
    ...podSecurity(PodSecurity),
    podNodeSelector(PodNodeSelector?.podNodeSelectorPluginConfig),
    priority,
    singleDefaultPriorityClass,
    defaultTolerationSeconds(tolerationSeconds),
    podTolerationRestriction(PodTolerationRestriction),
    eventRateLimit(EventRateLimit?.limits ?? []),
    extendedResourceToleration,
    defaultStorageClass,
    storageObjectInUseProtection,
    ownerReferencesPermission,
    persistentVolumeClaimResize,
    runtimeClass,
    certificateApproval,
    certificateSigning,
    certificateSubjectRestriction,
    defaultIngressClass,
    denyServiceExternalIps,
    podTopologyLabels,
    nodeDeclaredFeatureValidator,
    podResizeValidator,
    rbacEscalation(rbac),
    policyParamAccess,
    bindingParamAccess,
    mutatingPolicies(),
    mutatingWebhooks(),
    validatingPolicies(),
    validatingWebhooks(),
    ...(loopback ? [resourceQuota(loopback, ResourceQuota?.limitedResources)] : []),
    alwaysDeny,
  ];
  return plugins.filter(({ name }) => runs(name, chosen));
}

interface Concerned {
  mutating: readonly Timed[];
  validating: readonly Timed[];
  admit: TimesOf;
  validate: TimesOf;
}

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #services: AdmissionServices;
  /** What is counted of policies. */
  readonly policyChecks = { validating: new PolicyChecks(), mutating: new PolicyChecks() };
  readonly webhookCalls = new WebhookCalls();
  readonly times = new AdmissionTimes();
  /** Who has to do with which requests: by kind, then by verb and subresource. */
  readonly #concerned = new WeakMap<Kind, Map<string, Concerned>>();

  /** Requests may be admitted when the informers have synced. */
  constructor(plugins: readonly AdmissionPlugin[], services: AdmissionServices) {
    this.#plugins = plugins;
    this.#services = { ...services, policyChecks: this.policyChecks, webhookCalls: this.webhookCalls };
    for (const { reads } of plugins) for (const kind of reads) services.informers.for(kind);
  }

  /** The object as all mutating plugins leave it. Throws the StatusError of the first that refuses. */
  mutate<T extends KubeObject>(request: AdmissionRequest<T>): Soon<T | undefined> {
    if (!request.object) return undefined;
    const first: Reinvocation = { isAgain: false, isWanted: false, kept: new Map() };
    return soon(this.#round(request, first), (object) => {
      if (!first.isWanted) return object as T;
      return this.#round({ ...request, object }, { ...first, isAgain: true }) as Soon<T>;
    });
  }

  #round(request: AdmissionRequest, reinvocation: Reinvocation): Soon<KubeObject | undefined> {
    const { mutating, admit } = this.#concernedBy(request);
    const ask: Ask = (plugin, asked) => plugin.mutate!(asked, this.#services, reinvocation);
    return new AdmissionPass(mutating, { all: admit, clock: this.#services.clock, ask }).run(request);
  }

  /** Throws the StatusError of the first plugin that refuses. */
  validate(request: AdmissionRequest): Soon<unknown> {
    const { validating, validate } = this.#concernedBy(request);
    const ask: Ask = (plugin, asked) => {
      const answer = plugin.validate!(asked, this.#services);
      return answer instanceof Promise ? answer.then(() => asked.object) : asked.object;
    };
    return new AdmissionPass(validating, { all: validate, clock: this.#services.clock, ask }).run(request);
  }

  #concernedBy({ kind, verb, subresource }: AdmissionRequest): Concerned {
    const ofKind = this.#concerned.get(kind) ?? new Map<string, Concerned>();
    if (ofKind.size === 0) this.#concerned.set(kind, ofKind);
    const id = `${verb}/${subresource}`;
    let concerned = ofKind.get(id);
    if (!concerned) {
      const plugins = this.#plugins.filter((plugin) => plugin.handles({ kind, verb, subresource }));
      concerned = {
        mutating: this.#timed(
          plugins.filter(({ mutate }) => mutate),
          'admit',
          verb,
        ),
        validating: this.#timed(
          plugins.filter(({ validate }) => validate),
          'validate',
          verb,
        ),
        admit: this.times.step('admit', verb),
        validate: this.times.step('validate', verb),
      };
      ofKind.set(id, concerned);
    }
    return concerned;
  }

  #timed(plugins: readonly AdmissionPlugin[], type: AdmissionType, verb: AdmissionVerb): Timed[] {
    return plugins.map((plugin) => ({ plugin, times: this.times.plugin(plugin.name, type, verb) }));
  }
}
