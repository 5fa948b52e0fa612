/** The fields of upstream's KubeletConfiguration, of which sort each is, and whether this kubelet acts on it. */
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { isQuantity } from '#api/machinery/quantity.ts';

export interface Field {
  isActedOn: boolean;
  /** Why a value is of the wrong sort. */
  misfit(name: string, value: unknown): string | undefined;
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isWhole: Check = (value) => Number.isSafeInteger(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isList =
  (of: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(of);
const isMap =
  (of: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value as object).every(of);
const isDuration: Check = (value) => typeof value === 'string' && goDurationMs(value).ms !== undefined;
const isShutdownGrace: Check = (value) => {
  const { priority, shutdownGracePeriodSeconds } = (value ?? {}) as Record<string, unknown>;
  return isWhole(priority) && isWhole(shutdownGracePeriodSeconds);
};
const isTaint: Check = (value) => {
  const { key, effect } = (value ?? {}) as Record<string, unknown>;
  return isText(key) && isText(effect);
};
const isRestartPeriod: Check = (value) =>
  isObject(value) &&
  Object.entries(value as object).every(([name, each]) => name === 'maxContainerRestartPeriod' && isDuration(each));

const isIdsPerPod: Check = (value) =>
  isObject(value) && Object.entries(value as object).every(([name, each]) => name === 'idsPerPod' && isWhole(each));

const field = (what: string, is: Check, isActedOn = true): Field => ({
  isActedOn,
  misfit: (name, value) => (is(value) ? undefined : `${name}: ${JSON.stringify(value) ?? 'undefined'} is not ${what}`),
});
const text = field('a string', isText);
const whole = field('a whole number', isWhole);
const flag = field('true or false', isFlag);
const duration = field('a duration such as "5m0s"', isDuration);
const texts = field('a list of strings', isList(isText));
const textMap = field('a map of strings', isMap(isText));
const amounts = field(
  'a map of quantities',
  isMap((value) => isText(value) && isQuantity(value)),
);
const quantity = field('a quantity', (value) => isText(value) && isQuantity(value));
const ignored: Field = { isActedOn: false, misfit: () => undefined };

const ACTED_ON: Record<string, Field> = {
  staticPodPath: text,
  fileCheckFrequency: duration,
  port: whole,
  clusterDNS: texts,
  clusterDomain: text,
  rotateCertificates: flag,
  serverTLSBootstrap: flag,
  registerWithTaints: field('a list of taints', isList(isTaint)),
  nodeStatusUpdateFrequency: duration,
  nodeStatusReportFrequency: duration,
  nodeLeaseDurationSeconds: whole,
  imageMinimumGCAge: duration,
  imageMaximumGCAge: duration,
  imageGCHighThresholdPercent: whole,
  imageGCLowThresholdPercent: whole,
  maxPods: whole,
  podPidsLimit: whole,
  serializeImagePulls: flag,
  maxParallelImagePulls: whole,
  imagePullCredentialsVerificationPolicy: text,
  preloadedImagesVerificationAllowlist: texts,
  evictionHard: textMap,
  evictionSoft: textMap,
  evictionSoftGracePeriod: textMap,
  evictionPressureTransitionPeriod: duration,
  evictionMaxPodGracePeriod: whole,
  evictionMinimumReclaim: textMap,
  mergeDefaultEvictionSettings: flag,
  kubeReserved: amounts,
  systemReserved: amounts,
  enforceNodeAllocatable: texts,
  containerLogMaxSize: quantity,
  containerLogMaxFiles: whole,
  shutdownGracePeriod: duration,
  shutdownGracePeriodCriticalPods: duration,
  shutdownGracePeriodByPodPriority: field('a list of priorities with seconds', isList(isShutdownGrace)),
  crashLoopBackOff: field('an object with maxContainerRestartPeriod', isRestartPeriod),
  allowedUnsafeSysctls: texts,
  userNamespaces: field('an object with idsPerPod', isIdsPerPod),
};

/** Upstream knows them; here the thing that they set is fixed, is the cluster's to say, or does not exist. */
const IGNORED = `enableServer syncFrequency httpCheckFrequency staticPodURL staticPodURLHeader address readOnlyPort
  tlsCertFile tlsPrivateKeyFile tlsCipherSuites tlsMinVersion tlsCurvePreferences authentication authorization
  registryPullQPS registryBurst
  eventRecordQPS eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress
  oomScoreAdj streamingConnectionIdleTimeout volumeStatsAggPeriod kubeletCgroups systemCgroups cgroupRoot
  cgroupsPerQOS cgroupDriver cpuManagerPolicy singleProcessOOMKill cpuManagerPolicyOptions cpuManagerReconcilePeriod
  memoryManagerPolicy topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions qosReserved
  runtimeRequestTimeout hairpinMode podCIDR resolvConf runOnce cpuCFSQuota cpuCFSQuotaPeriod
  nodeStatusMaxImages maxOpenFiles contentType kubeAPIQPS kubeAPIBurst podsPerCore enableControllerAttachDetach
  protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit featureGates failSwapOn
  memorySwap containerLogMaxWorkers containerLogMonitorInterval configMapAndSecretChangeDetectionStrategy
  systemReservedCgroup kubeReservedCgroup reservedSystemCPUs showHiddenMetricsForVersion volumePluginDir providerID
  kernelMemcgNotification logging enableSystemLogHandler enableSystemLogQuery enableProfilingHandler
  enableDebugFlagsHandler seccompDefault memoryThrottlingFactor memoryReservationPolicy reservedMemory
  localStorageCapacityIsolation containerRuntimeEndpoint imageServiceEndpoint tracing registerNode
  imagePullCredentials shutdownGracePeriodByPodPriorityPolicy`
  .trim()
  .split(/\s+/);

export const FIELDS: ReadonlyMap<string, Field> = new Map([
  ...IGNORED.map((name) => [name, ignored] as const),
  ...Object.entries(ACTED_ON),
]);
