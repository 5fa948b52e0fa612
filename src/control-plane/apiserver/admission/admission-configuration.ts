/** AdmissionConfiguration of apiserver.config.k8s.io: what plugins are told beside their names. */

import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { duplicateValue, type FieldError, invalidValue, notSupportedValue } from '#api/machinery/field-error.ts';
import {
  ConfigurationError,
  type ConfigurationType,
  decodeConfiguration,
  refuseInvalid,
  type Shape,
} from '../remote/configuration-file.ts';
import type { PluginConfiguration } from './chosen-plugins.ts';
import { problemOf } from './pod-security/levels.ts';

const FILE: ConfigurationType = {
  group: 'apiserver.config.k8s.io',
  versions: ['v1', 'v1alpha1'],
  kind: 'AdmissionConfiguration',
  fields: { plugins: [{ name: 'string', path: 'string', configuration: 'object' }] },
};

interface File {
  plugins?: readonly { name?: string; path?: string; configuration?: object }[];
}

const tolerations: Shape = [
  { key: 'string', operator: 'string', value: 'string', effect: 'string', tolerationSeconds: 'integer' },
];

type PluginName = keyof PluginConfiguration;

const TYPES: Readonly<Record<Exclude<PluginName, 'PodNodeSelector'>, ConfigurationType>> = {
  EventRateLimit: {
    group: 'eventratelimit.admission.k8s.io',
    versions: ['v1alpha1'],
    kind: 'Configuration',
    fields: { limits: [{ type: 'string', qps: 'integer', burst: 'integer', cacheSize: 'integer' }] },
  },
  PodSecurity: {
    group: 'pod-security.admission.config.k8s.io',
    versions: ['v1', 'v1beta1', 'v1alpha1'],
    kind: 'PodSecurityConfiguration',
    fields: {
      defaults: {
        enforce: 'string',
        'enforce-version': 'string',
        audit: 'string',
        'audit-version': 'string',
        warn: 'string',
        'warn-version': 'string',
      },
      exemptions: { usernames: ['string'], namespaces: ['string'], runtimeClasses: ['string'] },
    },
  },
  PodTolerationRestriction: {
    group: 'podtolerationrestriction.admission.k8s.io',
    versions: ['v1alpha1'],
    kind: 'Configuration',
    fields: { default: tolerations, whitelist: tolerations },
  },
  ResourceQuota: {
    group: 'apiserver.config.k8s.io',
    versions: ['v1'],
    kind: 'ResourceQuotaConfiguration',
    fields: {
      limitedResources: [
        {
          apiGroup: 'string',
          resource: 'string',
          matchContains: ['string'],
          matchScopes: [{ scopeName: 'string', operator: 'string', values: ['string'] }],
        },
      ],
    },
  },
};

/** `read`: of a file that is named in it. Throws ConfigurationError that says which plugin's it is. */
export function parseAdmissionConfiguration(text: string, read: (path: string) => string): PluginConfiguration {
  const { plugins = [] } = decodeConfiguration<File>(text, FILE);
  const configuration: Record<string, unknown> = {};
  for (const { name = '', path, configuration: nested } of plugins) {
    if (Object.hasOwn(configuration, name)) continue; // the first of a name counts
    const told = nested ? JSON.stringify(nested) : path && read(path);
    if (told) configuration[name] = parsePlugin(name, told);
  }
  const known = configuration as PluginConfiguration;
  refuseInvalid([...errorsOfLimits(known.EventRateLimit), ...errorsOfPodSecurity(known.PodSecurity)]);
  return known;
}

function parsePlugin(name: string, text: string): unknown {
  if (name === 'PodNodeSelector') return parseNodeSelectors(text);
  const type = Object.hasOwn(TYPES, name) ? TYPES[name as keyof typeof TYPES] : undefined;
  return type && decodeConfiguration(text, type);
}

/** `podNodeSelectorPluginConfig`, in a file without version and kind. */
function parseNodeSelectors(text: string): unknown {
  const parsed = parseYaml(text);
  if ('problem' in parsed) throw new ConfigurationError(parsed.problem);
  const selectors =
    (parsed.value as { podNodeSelectorPluginConfig?: object } | null)?.podNodeSelectorPluginConfig ?? {};
  if (Object.values(selectors).some((selector) => typeof selector !== 'string'))
    throw new ConfigurationError('podNodeSelectorPluginConfig must have a selector for each namespace');
  return { podNodeSelectorPluginConfig: Object.assign(Object.create(null), selectors) };
}

const LIMIT_TYPES: readonly string[] = ['Namespace', 'Server', 'SourceAndObject', 'User'];

function errorsOfLimits(configuration: PluginConfiguration['EventRateLimit']): FieldError[] {
  if (!configuration) return [];
  const { limits = [] } = configuration;
  if (limits.length === 0) return [invalidValue('limits', null, 'must not be empty')];
  return limits.flatMap(({ type, burst = 0, qps = 0, cacheSize = 0 }, i) => [
    ...(LIMIT_TYPES.includes(type) ? [] : [notSupportedValue(`limits[${i}].type`, type ?? '', LIMIT_TYPES)]),
    ...(burst > 0 ? [] : [invalidValue(`limits[${i}].burst`, burst, 'must be positive')]),
    ...(qps > 0 ? [] : [invalidValue(`limits[${i}].qps`, qps, 'must be positive')]),
    ...(cacheSize >= 0 || type === 'Server'
      ? []
      : [invalidValue(`limits[${i}].cacheSize`, cacheSize, 'must not be negative')]),
  ]);
}

function errorsOfPodSecurity(configuration: PluginConfiguration['PodSecurity']): FieldError[] {
  const { defaults = {}, exemptions = {} } = configuration ?? {};
  const ofDefaults = Object.entries(defaults).flatMap(([name, value]) => {
    const problem = value ? problemOf(name, value) : undefined;
    return problem ? [{ ...problem, field: `defaults.${name}` }] : [];
  });
  const ofExemptions = Object.entries(exemptions).flatMap(([list, names]: [string, readonly string[]]) =>
    names.flatMap((name, i) => (names.indexOf(name) < i ? [duplicateValue(`exemptions.${list}[${i}]`, name)] : [])),
  );
  return [...ofDefaults, ...ofExemptions];
}
