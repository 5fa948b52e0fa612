import { expect, test } from 'vitest';
import { parseAdmissionConfiguration } from './admission-configuration.ts';
import { defaultAdmission } from './chain.ts';
import { NOTHING_CHOSEN, problemsOfChoice } from './chosen-plugins.ts';

const rbac = { policyRulesOf: () => [], rulesBehind: () => [] };
const namesOf = (enabled: string[], disabled: string[]) =>
  new Set(defaultAdmission({ rbac, chosen: { enabled, disabled, configuration: {} } }).map(({ name }) => name));

test('plugins are added and taken away by name', () => {
  const usual = new Set(defaultAdmission({ rbac, chosen: NOTHING_CHOSEN }).map(({ name }) => name));
  expect(namesOf(['AlwaysDeny'], ['PodSecurity'])).toEqual(
    new Set([...usual].filter((name) => name !== 'PodSecurity').concat('AlwaysDeny')),
  );
  expect(usual).not.toContain('AlwaysPullImages');
});

/** All that v1.36 has; those without a star are off unless asked for. */
const UPSTREAM =
  `AlwaysAdmit NamespaceAutoProvision *NamespaceLifecycle NamespaceExists LimitPodHardAntiAffinityTopology
  *LimitRanger *ServiceAccount NodeRestriction *TaintNodesByCondition AlwaysPullImages ImagePolicyWebhook *PodSecurity
  PodNodeSelector *Priority *DefaultTolerationSeconds PodTolerationRestriction EventRateLimit ExtendedResourceToleration
  *DefaultStorageClass *StorageObjectInUseProtection *PodGroupProtection OwnerReferencesPermissionEnforcement
  *PersistentVolumeClaimResize *RuntimeClass *CertificateApproval *CertificateSigning *ClusterTrustBundleAttest
  *CertificateSubjectRestriction *DefaultIngressClass DenyServiceExternalIPs *PodTopologyLabels *PodGroupWorkloadExists
  *NodeDeclaredFeatureValidator *JobValidation *PodResizeValidator *MutatingAdmissionPolicy *MutatingAdmissionWebhook
  *ValidatingAdmissionPolicy *ValidatingAdmissionWebhook *ResourceQuota AlwaysDeny`.split(/\s+/);
/** Of features that are off in v1.36; and what docs/wire.md names as missing. */
const WITHOUT_EFFECT = [
  'AlwaysAdmit',
  'PodGroupProtection',
  'ClusterTrustBundleAttest',
  'PodGroupWorkloadExists',
].concat(['JobValidation', 'ImagePolicyWebhook']);

test('those of v1.36 run in its order, and by default those that it runs', () => {
  const loopback = { client: {}, informers: {} } as never;
  const namesIn = (enabled: readonly string[]) => [
    ...new Set(defaultAdmission({ rbac, loopback, chosen: { ...NOTHING_CHOSEN, enabled } }).map(({ name }) => name)),
  ];
  const known = UPSTREAM.map((name) => name.replace('*', ''));
  const all = namesIn(known);
  const expected = known.filter((name) => !WITHOUT_EFFECT.includes(name));
  expect(all.filter((name) => known.includes(name))).toEqual(expected);
  const byDefault = UPSTREAM.filter((name) => name.startsWith('*')).map((name) => name.slice(1));
  expect(namesIn([]).filter((name) => known.includes(name))).toEqual(
    // NodeRestriction is on in every cluster that is set up with kubeadm, and in this one.
    expected.filter((name) => byDefault.includes(name) || name === 'NodeRestriction'),
  );
});

test('what is part of the server is not taken away', () => {
  expect(namesOf([], ['RbacEscalation'])).toContain('RbacEscalation');
});

test('names that mean nothing are told, all of them', () => {
  expect(
    problemsOfChoice({ enabled: ['Lost', 'AlwaysAdmit', 'PodSecurity'], disabled: ['Gone', 'PodSecurity'] }),
  ).toEqual([
    'enable-admission-plugins plugin "Lost" is unknown',
    'disable-admission-plugins plugin "Gone" is unknown',
    '[PodSecurity] in enable-admission-plugins and disable-admission-plugins overlapped',
  ]);
});

const file = (...plugins: object[]) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AdmissionConfiguration', plugins });
const read = (path: string) => {
  if (path !== 'selectors.yaml') throw new Error(`no ${path}`);
  return 'podNodeSelectorPluginConfig:\n  clusterDefaultNodeSelector: a=b\n';
};

test('a configuration tells plugins in the file itself and in others', () => {
  const defaults = { enforce: 'baseline', 'enforce-version': 'v1.30' };
  const level = { apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration', defaults };
  const limits = [{ type: 'Server', qps: 50, burst: 100 }];
  const rate = { apiVersion: 'eventratelimit.admission.k8s.io/v1alpha1', kind: 'Configuration', limits };
  const text = file(
    { name: 'PodSecurity', configuration: level },
    { name: 'EventRateLimit', configuration: rate },
    { name: 'PodNodeSelector', path: 'selectors.yaml' },
  );
  expect(parseAdmissionConfiguration(text, read)).toEqual({
    PodSecurity: { defaults },
    EventRateLimit: { limits },
    PodNodeSelector: { podNodeSelectorPluginConfig: { clusterDefaultNodeSelector: 'a=b' } },
  });
});

const podSecurity = { apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration' };
const rateLimit = { apiVersion: 'eventratelimit.admission.k8s.io/v1alpha1', kind: 'Configuration' };

test.each([
  ['PodSecurity', { ...podSecurity, default: {} }, 'strict decoding error: unknown field "default"'],
  [
    'PodSecurity',
    { ...podSecurity, defaults: { enforce: 'strict' }, exemptions: { namespaces: ['a', 'a'] } },
    '[defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted, ' +
      'exemptions.namespaces[1]: Duplicate value: "a"]',
  ],
  ['EventRateLimit', rateLimit, 'limits: Invalid value: null: must not be empty'],
  [
    'EventRateLimit',
    { ...rateLimit, limits: [{ type: 'All', qps: 1 }] },
    '[limits[0].type: Unsupported value: "All": supported values: "Namespace", "Server", "SourceAndObject", "User", ' +
      'limits[0].burst: Invalid value: 0: must be positive]',
  ],
])('for %s %j is refused', (name, configuration, message) => {
  expect(() => parseAdmissionConfiguration(file({ name, configuration }), read)).toThrow(message);
});
