/** What a KubeSchedulerConfiguration may say. Texts as upstream's validation has them. */
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { validatePluginArgs } from './plugin-args-rules.ts';
import type { ConfiguredExtender, ConfiguredProfile, SchedulerConfiguration } from './scheduler-configuration.ts';
import { EXTENSION_POINTS } from './scheduler-configuration.ts';

const REMOVED: readonly string[] = ['AzureDiskLimits', 'CinderLimits', 'EBSLimits', 'GCEPDLimits'];
const VERSION = 'kubescheduler.config.k8s.io/v1';
const wasRemoved = `was invalid in version "${VERSION}" (KubeSchedulerConfiguration is version "${VERSION}")`;

/** In upstream's order; empty: it can be used. */
export function validateSchedulerConfiguration(it: SchedulerConfiguration): FieldError[] {
  const { parallelism = 16, podInitialBackoffSeconds: first = 1, podMaxBackoffSeconds: most = 10 } = it;
  const profiles = it.profiles ?? [{}];
  return [
    ...(parallelism > 0
      ? []
      : [invalidValue('parallelism', parallelism, 'should be an integer value greater than zero')]),
    ...(profiles.length > 0
      ? profiles.flatMap((profile, i) => profileRules(profile, i, profiles))
      : [requiredValue('profiles')]),
    ...queueSortRules(profiles),
    ...percentageRules('percentageOfNodesToScore', it.percentageOfNodesToScore),
    ...(first > 0 ? [] : [invalidValue('podInitialBackoffSeconds', first, 'must be greater than 0')]),
    ...(most >= first
      ? []
      : [invalidValue('podMaxBackoffSeconds', most, 'must be greater than or equal to PodInitialBackoffSeconds')]),
    ...extenderRules(it.extenders ?? []),
  ];
}

export const DEFAULT_NAME = 'default-scheduler';
const nameOf = ({ schedulerName }: ConfiguredProfile, count: number) =>
  schedulerName ?? (count === 1 ? DEFAULT_NAME : '');

function profileRules(profile: ConfiguredProfile, index: number, all: readonly ConfiguredProfile[]): FieldError[] {
  const at = `profiles[${index}]`;
  const name = nameOf(profile, all.length);
  const same = all.findIndex((other) => nameOf(other, all.length) === name);
  const configs = profile.pluginConfig ?? [];
  return [
    ...(name ? [] : [requiredValue(`${at}.schedulerName`)]),
    ...percentageRules(`${at}.percentageOfNodesToScore`, profile.percentageOfNodesToScore),
    ...EXTENSION_POINTS.flatMap((point) =>
      (profile.plugins?.[point]?.enabled ?? []).flatMap((plugin, i) =>
        REMOVED.includes(plugin.name)
          ? [invalidValue(`${at}.plugins.${point}.enabled[${i}]`, plugin.name, wasRemoved)]
          : [],
      ),
    ),
    ...configs.flatMap((config, i) => {
      const here = `${at}.pluginConfig[${i}]`;
      const isTwice = configs.findIndex((other) => other.name === config.name) < i;
      return [
        ...(isTwice ? [duplicateValue(here, config.name)] : []),
        ...(REMOVED.includes(config.name)
          ? [invalidValue(here, config.name, wasRemoved)]
          : validatePluginArgs(config.name, config.args ?? {}, `${here}.args`)),
      ];
    }),
    ...(same < index ? [duplicateValue(`${at}.schedulerName`, `profiles[${same}].schedulerName`)] : []),
  ];
}

/** One queue for all profiles. */
function queueSortRules(profiles: readonly ConfiguredProfile[]): FieldError[] {
  const setOf = (profile: ConfiguredProfile | undefined) => profile?.plugins?.queueSort ?? {};
  const enabled = setOf(profiles[0]).enabled ?? [];
  const canon = JSON.stringify(setOf(profiles[0]));
  return [
    ...(enabled.length > 1
      ? [
          invalidValue(
            'profiles[0].plugins.queueSort.Enabled',
            enabled.length,
            'only one queue sort plugin can be enabled',
          ),
        ]
      : []),
    ...profiles.flatMap((profile, i) =>
      JSON.stringify(setOf(profile)) === canon
        ? []
        : [invalidValue(`profiles[${i}].plugins.queueSort`, setOf(profile), 'must be the same for all profiles')],
    ),
  ];
}

const percentageRules = (at: string, value: number | undefined): FieldError[] =>
  value === undefined || (value >= 0 && value <= 100) ? [] : [invalidValue(at, value, 'not in valid range [0-100]')];

function extenderRules(extenders: readonly ConfiguredExtender[]): FieldError[] {
  const seen = new Set<string>();
  const errors = extenders.flatMap(({ prioritizeVerb, weight = 0, managedResources = [] }, i) => [
    ...(prioritizeVerb && weight <= 0
      ? [invalidValue(`extenders[${i}].weight`, weight, 'must have a positive weight applied to it')]
      : []),
    ...managedResources.flatMap(({ name }, j) => {
      const at = `extenders[${i}].managedResources[${j}].name`;
      const isTwice = seen.has(name);
      seen.add(name);
      return [
        ...extendedResourceRules(at, name),
        ...(isTwice ? [invalidValue(at, name, 'duplicate extender managed resource name')] : []),
      ];
    }),
  ]);
  const binders = extenders.filter(({ bindVerb }) => bindVerb).length;
  return binders > 1
    ? [
        ...errors,
        invalidValue(
          'extenders',
          `found ${binders} extenders implementing bind`,
          'only one extender can implement bind',
        ),
      ]
    : errors;
}

function extendedResourceRules(at: string, name: string): FieldError[] {
  const errors = follows(root(at), name, qualifiedName);
  if (errors.length > 0) return errors;
  const isNative = !name.includes('/') || name.split('/')[0]?.endsWith('kubernetes.io') || name.startsWith('requests.');
  return isNative ? [invalidValue(at, name, 'is an invalid extended resource name')] : [];
}
