import { expect, test } from 'vitest';
import { BadKubeletConfiguration, DEFAULT_EVICTION_HARD, readKubeletConfiguration } from './kubelet-configuration.ts';

const refusal = (fields: object): string => {
  try {
    readKubeletConfiguration(fields);
  } catch (error) {
    if (error instanceof BadKubeletConfiguration) return error.message;
    throw error;
  }
  return '';
};

test('nothing given means upstream’s defaults', () => {
  const { configuration } = readKubeletConfiguration({});
  expect(configuration).toMatchObject({
    maxPods: 110,
    evictionHard: DEFAULT_EVICTION_HARD,
    imageGCHighThresholdPercent: 85,
    imageGCLowThresholdPercent: 80,
    evictionPressureTransitionPeriod: '5m0s',
  });
});

test('thresholds that are given stand for all of them, unless they are to be merged', () => {
  const evictionHard = { 'memory.available': '1Gi' };
  expect(readKubeletConfiguration({ evictionHard }).configuration.evictionHard).toEqual(evictionHard);
  const merged = readKubeletConfiguration({ evictionHard, mergeDefaultEvictionSettings: true }).configuration;
  expect(merged.evictionHard).toEqual({ ...DEFAULT_EVICTION_HARD, ...evictionHard });
});

test('fields of upstream that mean nothing here are named', () => {
  expect(readKubeletConfiguration({ cgroupDriver: 'systemd', maxPods: 5 }).ignored).toEqual(['cgroupDriver']);
});

const allowing = (pattern: string) => ({
  imagePullCredentialsVerificationPolicy: 'NeverVerifyAllowlistedImages',
  preloadedImagesVerificationAllowlist: [pattern],
});

for (const [fields, text] of [
  [{ kind: 'Pod' }, 'no kind "Pod" is registered for version'],
  [{ maxPod: 5 }, 'strict decoding error: unknown field "maxPod"'],
  [JSON.parse('{"__proto__": {}}'), 'unknown field "__proto__"'],
  [{ maxPods: 'many' }, 'maxPods: "many" is not a whole number'],
  [{ imageMinimumGCAge: '5 minutes' }, 'imageMinimumGCAge: "5 minutes" is not a duration'],
  [{ maxPods: -1 }, 'maxPods (--max-pods) -1 must not be a negative number'],
  [
    { imageGCLowThresholdPercent: 90 },
    'imageGCLowThresholdPercent (--image-gc-low-threshold) 90 must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) 85',
  ],
  [{ evictionHard: { 'memory.free': '1Gi' } }, 'unsupported eviction signal memory.free'],
  [{ evictionHard: { 'memory.available': '120%' } }, 'memory.available must be a positive quantity or a percentage'],
  [
    { evictionSoft: { 'memory.available': '1Gi' } },
    'grace period must be specified for the soft eviction threshold memory.available',
  ],
  [
    { shutdownGracePeriod: '10s', shutdownGracePeriodCriticalPods: '20s' },
    'shutdownGracePeriodCriticalPods 20s must be <= shutdownGracePeriod 10s',
  ],
  [{ kubeReserved: { gpu: '1' } }, 'kubeReserved: cannot reserve "gpu" resource'],
  [
    { imagePullCredentialsVerificationPolicy: 'Sometimes' },
    'option "Sometimes" specified for imagePullCredentialsVerificationPolicy. Valid options are "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages" or "AlwaysVerify"',
  ],
  [
    { preloadedImagesVerificationAllowlist: ['a/b'] },
    'can\'t set `preloadedImagesVerificationAllowlist` if `imagePullCredentialsVertificationPolicy` is not "NeverVerifyAllowlistedImages"',
  ],
  [{ userNamespaces: { idsPerPod: 1 } }, 'invalid configuration: userNamespaces.idsPerPod must not be less than 65536'],
  [{ userNamespaces: { idsPerPod: 65_537 } }, 'userNamespaces.idsPerPod must be a multiple of 65536'],
  [{ userNamespaces: { idsPerPod: 2 ** 32 } }, 'userNamespaces.idsPerPod must not be more than 4294967295'],
  [{ userNamespaces: { idsPerNode: 1 } }, 'userNamespaces: {"idsPerNode":1} is not an object with idsPerPod'],
  [allowing('a/*/b'), "not a valid wildcard pattern, only patterns ending with '/*' are allowed: a/*/b"],
  [allowing('a/b:1'), 'neither tag nor digest is accepted in an image reference: a/b:1'],
  [allowing('/*'), 'at least registry hostname is required'],
  [allowing(' a'), 'leading/trailing spaces are not allowed:  a'],
] as const)
  test(`${JSON.stringify(fields)} is refused: ${text}`, () => {
    expect(refusal(fields)).toContain(text);
  });
