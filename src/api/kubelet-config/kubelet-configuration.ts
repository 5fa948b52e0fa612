/**
 * KubeletConfiguration of kubelet.config.k8s.io/v1beta1, as far as this kubelet acts on it: shape, defaults, and reading it
 * from a file's object. Source: API reference, "Kubelet Configuration (v1beta1)"; texts are upstream's.
 */
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { validateConfiguration } from './configuration-rules.ts';
import { FIELDS } from './configuration-fields.ts';

export interface ReservedAmounts {
  [resource: string]: string;
}
export interface ShutdownGrace {
  priority: number;
  shutdownGracePeriodSeconds: number;
}
export interface ConfigurationTaint {
  key: string;
  value?: string;
  effect: string;
}

/** Durations are Go's texts, e.g. `5m0s`. */
export interface KubeletConfiguration {
  apiVersion: typeof API_VERSION;
  kind: typeof KIND;
  staticPodPath?: string;
  fileCheckFrequency: string;
  port: number;
  clusterDNS?: string[];
  clusterDomain?: string;
  rotateCertificates: boolean;
  serverTLSBootstrap: boolean;
  registerWithTaints?: ConfigurationTaint[];
  nodeStatusUpdateFrequency: string;
  nodeStatusReportFrequency: string;
  nodeLeaseDurationSeconds: number;
  imageMinimumGCAge: string;
  imageMaximumGCAge: string;
  imageGCHighThresholdPercent: number;
  imageGCLowThresholdPercent: number;
  maxPods: number;
  podPidsLimit: number;
  serializeImagePulls: boolean;
  maxParallelImagePulls?: number;
  imagePullCredentialsVerificationPolicy: string;
  preloadedImagesVerificationAllowlist: string[];
  evictionHard: Record<string, string>;
  evictionSoft: Record<string, string>;
  evictionSoftGracePeriod: Record<string, string>;
  evictionPressureTransitionPeriod: string;
  evictionMaxPodGracePeriod: number;
  evictionMinimumReclaim: Record<string, string>;
  mergeDefaultEvictionSettings: boolean;
  kubeReserved: ReservedAmounts;
  systemReserved: ReservedAmounts;
  enforceNodeAllocatable: string[];
  containerLogMaxSize: string;
  containerLogMaxFiles: number;
  shutdownGracePeriod: string;
  shutdownGracePeriodCriticalPods: string;
  shutdownGracePeriodByPodPriority: ShutdownGrace[];
  crashLoopBackOff: { maxContainerRestartPeriod?: string };
  allowedUnsafeSysctls: string[];
  userNamespaces: { idsPerPod?: number };
}

export const API_VERSION = 'kubelet.config.k8s.io/v1beta1';
export const KIND = 'KubeletConfiguration';

/** Upstream's, on Linux. */
export const DEFAULT_EVICTION_HARD: Readonly<Record<string, string>> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

export const DEFAULT_CONFIGURATION: KubeletConfiguration = {
  apiVersion: API_VERSION,
  kind: KIND,
  fileCheckFrequency: '20s',
  port: 10_250,
  rotateCertificates: true,
  serverTLSBootstrap: true,
  nodeStatusUpdateFrequency: '10s',
  nodeStatusReportFrequency: '5m0s',
  nodeLeaseDurationSeconds: 40,
  imageMinimumGCAge: '2m0s',
  imageMaximumGCAge: '0s',
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  maxPods: 110,
  podPidsLimit: -1,
  serializeImagePulls: false,
  imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
  preloadedImagesVerificationAllowlist: [],
  evictionHard: DEFAULT_EVICTION_HARD,
  evictionSoft: {},
  evictionSoftGracePeriod: {},
  evictionPressureTransitionPeriod: '5m0s',
  evictionMaxPodGracePeriod: 0,
  evictionMinimumReclaim: {},
  mergeDefaultEvictionSettings: false,
  kubeReserved: {},
  systemReserved: {},
  enforceNodeAllocatable: ['pods'],
  containerLogMaxSize: '10Mi',
  containerLogMaxFiles: 5,
  shutdownGracePeriod: '0s',
  shutdownGracePeriodCriticalPods: '0s',
  shutdownGracePeriodByPodPriority: [],
  crashLoopBackOff: {},
  allowedUnsafeSysctls: [],
  userNamespaces: {},
};

export class BadKubeletConfiguration extends Error {
  readonly code = 'BadKubeletConfiguration';
}

export interface ReadConfiguration {
  configuration: KubeletConfiguration;
  /** Fields of upstream's that were set and mean nothing here. */
  ignored: string[];
}

/**
 * @param given an object as a file has it
 * @param defaults what fields have that are not given; upstream's, if not others
 * @throws BadKubeletConfiguration with everything that is wrong
 */
export function readKubeletConfiguration(given: unknown, defaults = DEFAULT_CONFIGURATION): ReadConfiguration {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new BadKubeletConfiguration('a KubeletConfiguration is an object');
  const fields = given as Record<string, unknown>;
  const { apiVersion = API_VERSION, kind = KIND } = fields;
  if (apiVersion !== API_VERSION || kind !== KIND)
    throw new BadKubeletConfiguration(
      `no kind "${String(kind)}" is registered for version "${String(apiVersion)}" in scheme "pkg/kubelet/apis/config/scheme/scheme.go"`,
    );
  const names = Object.keys(fields).filter((name) => name !== 'apiVersion' && name !== 'kind');
  const unknown = names.filter((name) => !FIELDS.has(name));
  if (unknown.length > 0)
    throw new BadKubeletConfiguration(
      `strict decoding error: ${unknown.map((name) => `unknown field ${JSON.stringify(name)}`).join(', ')}`,
    );
  const misfits = names.flatMap((name) => FIELDS.get(name)?.misfit(name, fields[name]) ?? []);
  if (misfits.length > 0) throw new BadKubeletConfiguration(misfits.join('; '));
  const acted = Object.fromEntries(
    names.filter((name) => FIELDS.get(name)?.isActedOn).map((name) => [name, fields[name]]),
  );
  const merged = { ...defaults, ...acted, apiVersion: API_VERSION, kind: KIND } as KubeletConfiguration;
  const configuration = {
    ...merged,
    evictionHard: merged.mergeDefaultEvictionSettings
      ? { ...defaults.evictionHard, ...merged.evictionHard }
      : merged.evictionHard,
  };
  const errors = validateConfiguration(configuration);
  if (errors.length > 0)
    throw new BadKubeletConfiguration(errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`);
  return { configuration, ignored: names.filter((name) => !FIELDS.get(name)?.isActedOn) };
}

/** Of a text that was checked. */
export const configuredMs = (text: string): number => goDurationMs(text).ms ?? 0;
