/** What plugins may be told. Texts as upstream's validation has them. */
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import type { PluginArgs, ResourceWeight, ShapePoint } from './scheduler-configuration.ts';

type Rules = (args: PluginArgs, at: string) => FieldError[];

/** Of a plugin that is told nothing there are no rules. */
export const validatePluginArgs = (name: string, args: PluginArgs, at: string): FieldError[] => {
  if (args.kind !== undefined && args.kind !== `${name}Args` && RULES[name])
    return [invalidValue(at, args, 'has to match plugin args')];
  return RULES[name]?.(args, at) ?? [];
};

const RULES: Readonly<Record<string, Rules>> = Object.assign(Object.create(null), {
  DefaultPreemption: ({ minCandidateNodesPercentage: percent = 10, minCandidateNodesAbsolute: absolute = 100 }, at) => [
    ...inRange(`${at}.minCandidateNodesPercentage`, percent, [0, 100]),
    ...(absolute < 0 ? [invalidValue(`${at}.minCandidateNodesAbsolute`, absolute, 'not in valid range [0, inf)')] : []),
    ...(percent === 0 && absolute === 0
      ? [
          invalidValue(
            `${at}.minCandidateNodesPercentage`,
            0,
            'cannot be zero at the same time as minCandidateNodesAbsolute',
          ),
          invalidValue(
            `${at}.minCandidateNodesAbsolute`,
            0,
            'cannot be zero at the same time as minCandidateNodesPercentage',
          ),
        ]
      : []),
  ],
  DynamicResources: ({ filterTimeout = '10s', bindingTimeout = '10m' }, at) => [
    ...lastsAtLeast(`${at}.filterTimeout`, filterTimeout, { leastMs: 0, detail: 'must be zero or positive' }),
    ...lastsAtLeast(`${at}.bindingTimeout`, bindingTimeout, { leastMs: 1000, detail: 'must be at least 1 second' }),
  ],
  InterPodAffinity: ({ hardPodAffinityWeight = 1 }, at) =>
    inRange(`${at}.hardPodAffinityWeight`, hardPodAffinityWeight, [0, 100]),
  PodTopologySpread: spreadRules,
  NodeResourcesFit: fitRules,
  NodeResourcesBalancedAllocation: ({ resources = [] }, at) =>
    resources.flatMap(({ name, weight = 1 }, i) => [
      ...(resources.findIndex((other) => other.name === name) < i
        ? [duplicateValue(`${at}.resources[${i}].name`, name)]
        : []),
      ...(weight === 1 ? [] : [invalidValue(`${at}.resources[${i}].weight`, weight, 'must be 1')]),
    ]),
  VolumeBinding: ({ bindTimeoutSeconds = 0, shape }, at) => [
    ...(bindTimeoutSeconds < 0
      ? [
          invalidValue(
            `${at}.bindTimeoutSeconds`,
            bindTimeoutSeconds,
            'invalid BindTimeoutSeconds, should not be a negative value',
          ),
        ]
      : []),
    ...(shape
      ? [
          invalidValue(
            `${at}.shape`,
            shape,
            'unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring',
          ),
        ]
      : []),
  ],
} satisfies Record<string, Rules>);

const inRange = (at: string, value: number, [least, most]: readonly [number, number]): FieldError[] =>
  value >= least && value <= most ? [] : [invalidValue(at, value, `not in valid range [${least}, ${most}]`)];

function lastsAtLeast(
  at: string,
  value: string,
  { leastMs, detail }: { leastMs: number; detail: string },
): FieldError[] {
  const { ms, problem } = goDurationMs(String(value));
  if (ms === undefined) return [invalidValue(at, value, problem)];
  return ms < leastMs ? [invalidValue(at, value, detail)] : [];
}

const ACTIONS = ['DoNotSchedule', 'ScheduleAnyway'];

function spreadRules({ defaultConstraints = [], defaultingType = 'System' }: PluginArgs, at: string): FieldError[] {
  const here = `${at}.defaultConstraints`;
  return [
    ...(['System', 'List'].includes(defaultingType)
      ? []
      : [notSupportedValue(`${at}.defaultingType`, defaultingType, ['System', 'List'])]),
    ...(defaultingType === 'System' && defaultConstraints.length > 0
      ? [invalidValue(`${at}.defaultingType`, defaultingType, 'when .defaultConstraints are not empty')]
      : []),
    ...defaultConstraints.flatMap(({ maxSkew, topologyKey, whenUnsatisfiable, labelSelector }, i) => {
      const isTwice =
        defaultConstraints.findIndex(
          (other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable,
        ) < i;
      return [
        ...(maxSkew > 0 ? [] : [invalidValue(`${here}[${i}].maxSkew`, maxSkew, 'not in valid range (0, inf)')]),
        ...(topologyKey
          ? follows(root(`${here}[${i}].topologyKey`), topologyKey, qualifiedName)
          : [requiredValue(`${here}[${i}].topologyKey`, 'can not be empty')]),
        ...(whenUnsatisfiable
          ? ACTIONS.includes(whenUnsatisfiable)
            ? []
            : [notSupportedValue(`${here}[${i}].whenUnsatisfiable`, whenUnsatisfiable, ACTIONS)]
          : [requiredValue(`${here}[${i}].whenUnsatisfiable`, 'can not be empty')]),
        ...(labelSelector
          ? [
              forbiddenField(
                `${here}[${i}].labelSelector`,
                'constraint must not define a selector, as they deduced for each pod',
              ),
            ]
          : []),
        ...(isTwice ? [duplicateValue(`${here}[${i}]`, `{${topologyKey}, ${whenUnsatisfiable}}`)] : []),
      ];
    }),
  ];
}

const STRATEGIES = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'];

function fitRules(args: PluginArgs, at: string): FieldError[] {
  const { ignoredResources = [], ignoredResourceGroups = [], scoringStrategy: strategy } = args;
  const here = `${at}.scoringStrategy`;
  const type = strategy?.type ?? 'LeastAllocated';
  const ratio = strategy?.requestedToCapacityRatio;
  return [
    ...ignoredResources.flatMap((name, i) => follows(root(`${at}.ignoredResources[${i}]`), name, qualifiedName)),
    ...ignoredResourceGroups.flatMap((group, i) => [
      ...(group.includes('/')
        ? [invalidValue(`${at}.ignoredResourceGroups[${i}]`, group, "resource group name can't contain '/'")]
        : []),
      ...follows(root(`${at}.ignoredResourceGroups[${i}]`), group, qualifiedName),
    ]),
    ...(STRATEGIES.includes(type) ? [] : [notSupportedValue(`${here}.type`, type, STRATEGIES)]),
    ...weightRules(strategy?.resources ?? [], `${here}.resources`),
    ...(type === 'RequestedToCapacityRatio'
      ? ratio
        ? shapeRules(ratio.shape ?? [], `${here}.requestedToCapacityRatio.shape`)
        : [requiredValue(`${here}.requestedToCapacityRatio`, 'must be specified when type is RequestedToCapacityRatio')]
      : ratio
        ? [forbiddenField(`${here}.requestedToCapacityRatio`, 'must be nil when type is not RequestedToCapacityRatio')]
        : []),
  ];
}

const weightRules = (resources: readonly ResourceWeight[], at: string): FieldError[] =>
  resources.flatMap(({ name, weight = 1 }, i) =>
    weight > 0 && weight <= 100
      ? []
      : [invalidValue(`${at}[${i}].weight`, weight, `resource weight of ${name} not in valid range (0, 100]`)],
  );

function shapeRules(shape: readonly ShapePoint[], at: string): FieldError[] {
  if (shape.length === 0) return [requiredValue(at, 'at least one point must be specified')];
  const utilization = (i: number) => shape[i]?.utilization ?? 0;
  const unsorted = shape.findIndex((_, i) => i > 0 && utilization(i - 1) >= utilization(i));
  return [
    ...(unsorted > 0
      ? [
          invalidValue(
            `${at}[${unsorted}].utilization`,
            utilization(unsorted),
            'values must be sorted in increasing order',
          ),
        ]
      : []),
    ...shape.flatMap(({ score = 0 }, i) => [
      ...inRange(`${at}[${i}].utilization`, utilization(i), [0, 100]),
      ...inRange(`${at}[${i}].score`, score, [0, 10]),
    ]),
  ];
}
