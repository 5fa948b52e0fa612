/** Which plugins run, as whoever runs the server chose. Source: documentation, "Admission Control". */
import type { Toleration } from '#api/generated/schema.ts';
import type { EventLimit } from './event-rate-limit.ts';
import type { NodeSelectorsByNamespace } from './pod-node-selector.ts';
import type { PodSecurityConfiguration } from './pod-security/levels.ts';
import type { LimitedResource } from './resource-quota/check-quotas.ts';

/** By plugin what it is told; those that are absent go by their defaults. */
export interface PluginConfiguration {
  EventRateLimit?: { limits?: readonly EventLimit[] };
  PodNodeSelector?: { podNodeSelectorPluginConfig?: NodeSelectorsByNamespace };
  PodSecurity?: PodSecurityConfiguration;
  PodTolerationRestriction?: { default?: readonly Toleration[]; whitelist?: readonly Toleration[] };
  ResourceQuota?: { limitedResources?: readonly LimitedResource[] };
}

export interface ChosenPlugins {
  /** Names, beside those that run by default. */
  enabled: readonly string[];
  disabled: readonly string[];
  configuration: PluginConfiguration;
}

/** NodeRestriction is one of them upstream; every cluster that is set up with kubeadm switches it on, and so does this one. */
const OFF_BY_DEFAULT: ReadonlySet<string> = new Set([
  'AlwaysDeny',
  'AlwaysPullImages',
  'DenyServiceExternalIPs',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'LimitPodHardAntiAffinityTopology',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'OwnerReferencesPermissionEnforcement',
  'PodNodeSelector',
  'PodTolerationRestriction',
]);

/** Of features that are off in this version, or without meaning: they may be named, and do nothing. */
const IDLE: readonly string[] = [
  'AlwaysAdmit',
  'ClusterTrustBundleAttest',
  'JobValidation',
  'PodGroupProtection',
  'PodGroupWorkloadExists',
];

const ON_BY_DEFAULT: readonly string[] = [
  'CertificateApproval',
  'CertificateSigning',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DefaultStorageClass',
  'DefaultTolerationSeconds',
  'LimitRanger',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'NamespaceLifecycle',
  'NodeDeclaredFeatureValidator',
  'NodeRestriction',
  'PersistentVolumeClaimResize',
  'PodResizeValidator',
  'PodSecurity',
  'PodTopologyLabels',
  'Priority',
  'ResourceQuota',
  'RuntimeClass',
  'ServiceAccount',
  'StorageObjectInUseProtection',
  'TaintNodesByCondition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
];

const KNOWN: ReadonlySet<string> = new Set([...OFF_BY_DEFAULT, ...IDLE, ...ON_BY_DEFAULT]);

export const NOTHING_CHOSEN: ChosenPlugins = { enabled: [], disabled: [], configuration: {} };

/** What is none of upstream's plugins is part of the server and always runs. */
export function runs(name: string, { enabled, disabled }: ChosenPlugins): boolean {
  if (!KNOWN.has(name) || enabled.includes(name)) return true;
  return !OFF_BY_DEFAULT.has(name) && !disabled.includes(name);
}

/** What is wrong with the names, in upstream's words. */
export function problemsOfChoice({ enabled, disabled }: Pick<ChosenPlugins, 'enabled' | 'disabled'>): string[] {
  const unknownIn = (flag: string, names: readonly string[]) =>
    names.filter((name) => !KNOWN.has(name)).map((name) => `${flag} plugin ${JSON.stringify(name)} is unknown`);
  const both = [...new Set(enabled)].filter((name) => disabled.includes(name)).sort();
  return [
    ...unknownIn('enable-admission-plugins', enabled),
    ...unknownIn('disable-admission-plugins', disabled),
    ...(both.length > 0
      ? [`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`]
      : []),
  ];
}
