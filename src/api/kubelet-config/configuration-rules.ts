/** What a KubeletConfiguration may say. Texts are upstream's where upstream has the rule. */
import { isQuantity, quantityValue } from '#api/machinery/quantity.ts';
import { configuredMs, type KubeletConfiguration } from './kubelet-configuration.ts';

/** Signals that thresholds may name. Source: "Node-pressure Eviction". */
export const EVICTION_SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'pid.available',
] as const;
export type EvictionSignal = (typeof EVICTION_SIGNALS)[number];

const RESERVABLE = ['cpu', 'memory', 'ephemeral-storage', 'pid'];

export function validateConfiguration(it: KubeletConfiguration): string[] {
  const errors: string[] = [];
  const must = (holds: boolean, text: string) => {
    if (!holds) errors.push(`invalid configuration: ${text}`);
  };
  const { imageGCHighThresholdPercent: high, imageGCLowThresholdPercent: low } = it;
  const isPercent = (value: number) => value >= 0 && value <= 100;
  must(
    isPercent(high),
    `imageGCHighThresholdPercent (--image-gc-high-threshold) ${high} must be between 0 and 100, inclusive`,
  );
  must(
    isPercent(low),
    `imageGCLowThresholdPercent (--image-gc-low-threshold) ${low} must be between 0 and 100, inclusive`,
  );
  must(
    low < high || high === 0,
    `imageGCLowThresholdPercent (--image-gc-low-threshold) ${low} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${high}`,
  );
  const [least, most] = [configuredMs(it.imageMinimumGCAge), configuredMs(it.imageMaximumGCAge)];
  must(
    most === 0 || most > least,
    `imageMaximumGCAge ${it.imageMaximumGCAge} must be greater than imageMinimumGCAge ${it.imageMinimumGCAge}`,
  );
  must(it.maxPods >= 0, `maxPods (--max-pods) ${it.maxPods} must not be a negative number`);
  must(it.port >= 1 && it.port <= 65_535, `port (--port) ${it.port} must be between 1 and 65535, inclusive`);
  must(it.nodeLeaseDurationSeconds > 0, 'nodeLeaseDurationSeconds must be greater than 0');
  must(it.containerLogMaxFiles > 1, `containerLogMaxFiles ${it.containerLogMaxFiles} must be greater than 1`);
  must(quantityValue(it.containerLogMaxSize) > 0, `containerLogMaxSize ${it.containerLogMaxSize} must be positive`);
  must(
    !(it.serializeImagePulls && (it.maxParallelImagePulls ?? 1) > 1),
    `maxParallelImagePulls ${it.maxParallelImagePulls} cannot be larger than 1 unless SerializeImagePulls set to false`,
  );
  must(
    (it.maxParallelImagePulls ?? 1) >= 1,
    `maxParallelImagePulls ${it.maxParallelImagePulls} must be a positive number`,
  );
  for (const part of ['kubeReserved', 'systemReserved'] as const)
    for (const [name, amount] of Object.entries(it[part])) {
      must(RESERVABLE.includes(name), `${part}: cannot reserve ${JSON.stringify(name)} resource`);
      must(
        quantityValue(amount) >= 0 && !amount.startsWith('-'),
        `${part}: resource quantity for ${JSON.stringify(name)} cannot be negative: ${amount}`,
      );
    }
  for (const name of it.enforceNodeAllocatable)
    must(
      ['pods', 'none'].includes(name),
      `option ${JSON.stringify(name)} specified for enforceNodeAllocatable (--enforce-node-allocatable). Valid options are "pods" and "none"`,
    );
  userRules(it, must);
  verificationRules(it, must);
  shutdownRules(it, must);
  evictionRules(it, must);
  return errors;
}

type Must = (holds: boolean, text: string) => void;

const IDS_UNIT = 65_536;
const MOST_IDS = 2 ** 32 - 1;

function userRules({ userNamespaces: { idsPerPod = IDS_UNIT } }: KubeletConfiguration, must: Must): void {
  const name = 'userNamespaces.idsPerPod must';
  if (idsPerPod < IDS_UNIT) must(false, `${name} not be less than ${IDS_UNIT}`);
  else if (idsPerPod % IDS_UNIT !== 0) must(false, `${name} be a multiple of ${IDS_UNIT}`);
  else must(idsPerPod <= MOST_IDS, `${name} not be more than ${MOST_IDS}`);
}

const VERIFICATION = ['NeverVerify', 'NeverVerifyPreloadedImages', 'NeverVerifyAllowlistedImages', 'AlwaysVerify'];

function verificationRules(it: KubeletConfiguration, must: Must): void {
  const { imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: allowed } = it;
  must(
    VERIFICATION.includes(policy),
    `option ${JSON.stringify(policy)} specified for imagePullCredentialsVerificationPolicy. Valid options are "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages" or "AlwaysVerify"`,
  );
  must(
    allowed.length === 0 || policy === 'NeverVerifyAllowlistedImages',
    'can\'t set `preloadedImagesVerificationAllowlist` if `imagePullCredentialsVertificationPolicy` is not "NeverVerifyAllowlistedImages"', // upstream's spelling
  );
  const patterns = policy === 'NeverVerifyAllowlistedImages' ? allowed : [];
  const wrong = patterns.map(wrongInPattern).find((why) => why !== undefined);
  must(wrong === undefined, `invalid image pattern in \`preloadedImagesVerificationAllowlist\`: ${wrong}`);
}

function wrongInPattern(pattern: string): string | undefined {
  if (pattern !== pattern.trim()) return `leading/trailing spaces are not allowed: ${pattern}`;
  if (pattern === '') return `the supplied pattern is too short: ${pattern}`;
  if (pattern === '/*') return 'at least registry hostname is required';
  if (pattern.replace(/\/\*$/, '/').includes('*'))
    return `not a valid wildcard pattern, only patterns ending with '/*' are allowed: ${pattern}`;
  if (!pattern.endsWith('/*') && /@|:[^/]*$/.test(pattern))
    return `neither tag nor digest is accepted in an image reference: ${pattern}`;
  return undefined;
}

function shutdownRules(it: KubeletConfiguration, must: Must): void {
  const [all, critical] = [configuredMs(it.shutdownGracePeriod), configuredMs(it.shutdownGracePeriodCriticalPods)];
  must(
    critical <= all,
    `shutdownGracePeriodCriticalPods ${it.shutdownGracePeriodCriticalPods} must be <= shutdownGracePeriod ${it.shutdownGracePeriod}`,
  );
  must(
    all === 0 || all >= 1000,
    `shutdownGracePeriod ${it.shutdownGracePeriod} must be either zero or otherwise >= 1 sec`,
  );
  must(
    critical === 0 || critical >= 1000,
    `shutdownGracePeriodCriticalPods ${it.shutdownGracePeriodCriticalPods} must be either zero or otherwise >= 1 sec`,
  );
  must(
    it.shutdownGracePeriodByPodPriority.length === 0 || (all === 0 && critical === 0),
    'Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time',
  );
}

function evictionRules(it: KubeletConfiguration, must: Must): void {
  const hasNoNegative = (text: string) => !text.startsWith('-');
  for (const [signal, text] of Object.entries({
    ...it.evictionHard,
    ...it.evictionSoft,
    ...it.evictionMinimumReclaim,
  })) {
    must((EVICTION_SIGNALS as readonly string[]).includes(signal), `unsupported eviction signal ${signal}`);
    const percent = /^([\d.]+)%$/.exec(text)?.[1];
    must(
      percent === undefined ? isQuantity(text) && hasNoNegative(text) : Number(percent) >= 0 && Number(percent) <= 100,
      `eviction threshold ${signal} must be a positive quantity or a percentage: ${text}`,
    );
  }
  for (const signal of Object.keys(it.evictionSoft))
    must(
      it.evictionSoftGracePeriod[signal] !== undefined,
      `grace period must be specified for the soft eviction threshold ${signal}`,
    );
  for (const [signal, text] of Object.entries(it.evictionSoftGracePeriod))
    must(configuredMs(text) > 0, `soft eviction grace period must be positive: ${signal}=${text}`);
}
