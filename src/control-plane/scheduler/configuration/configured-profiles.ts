/** From a configuration to profiles: which plugins, with which weights, told what. Source: "Scheduler Configuration". */
import { goDurationMs } from '#api/machinery/go-duration.ts';
import type { Extender } from '../define-extender.ts';
import type { Plugin } from '../define-plugin.ts';
import { balancedAllocationWith } from '../plugins/balanced-allocation.ts';
import { defaultPreemptionWith } from '../plugins/default-preemption.ts';
import { dynamicResources } from '../plugins/dynamic-resources/dynamic-resources.ts';
import { GivenDevices } from '../plugins/dynamic-resources/given-devices.ts';
import { interPodAffinityWith } from '../plugins/inter-pod-affinity.ts';
import { nodeAffinityWith } from '../plugins/node-affinity.ts';
import { nodeResourcesFitWith } from '../plugins/node-resources-fit.ts';
import { podTopologySpreadWith } from '../plugins/pod-topology-spread.ts';
import type { ScoringStrategy } from '../plugins/resource-scores.ts';
import { type GivenVolumes, noVolumesGiven, volumeBinding } from '../plugins/volume-binding.ts';
import { defaultProfile, type Profile } from '../profile.ts';
import { DEFAULT_NAME } from './configuration-rules.ts';
import type {
  ConfiguredProfile,
  ExtensionPoint,
  PluginArgs,
  PluginSet,
  ResourceWeight,
} from './scheduler-configuration.ts';
import { EXTENSION_POINTS, type SchedulerConfiguration } from './scheduler-configuration.ts';

/** A profile that cannot be made, in upstream's words. */
export class ProfileFailed extends Error {
  readonly code = 'ProfileFailed';
}

/** What of a plugin belongs to a point; `weight` goes with the score. */
const PARTS: Readonly<Record<ExtensionPoint, readonly (keyof Plugin)[]>> = {
  preEnqueue: ['preEnqueue'],
  queueSort: ['queueSort'],
  preFilter: ['prepare', 'withPod', 'withoutPod'],
  filter: ['filter'],
  postFilter: ['makeRoom'],
  preScore: ['prepareScore'],
  score: ['score', 'prefer', 'normalize'],
  reserve: ['reserve', 'unreserve'],
  permit: ['permit'],
  preBind: ['preBind', 'preBindPreFlight'],
  bind: ['bind'],
  postBind: ['postBind'],
};

/** As upstream goes through them. Source: frameworkImpl.getExtensionPoints. */
const FIRST_SEEN: readonly ExtensionPoint[] = [
  ...(['preFilter', 'filter', 'postFilter', 'reserve', 'preScore', 'score'] as const),
  ...(['preBind', 'bind', 'postBind', 'permit', 'preEnqueue', 'queueSort'] as const),
];

/** As upstream's errors call them. */
const interfaceOf = (point: ExtensionPoint): string => `${point[0]?.toUpperCase()}${point.slice(1)}Plugin`;

/** Throws ProfileFailed. The configuration has been validated. */
export function profilesOf(
  { profiles = [{}], percentageOfNodesToScore, extenders: asked = [] }: SchedulerConfiguration,
  extenders: readonly Extender[] = [],
): Profile[] {
  const ignored = asked.flatMap(({ managedResources = [] }) =>
    managedResources.filter(({ ignoredByScheduler }) => ignoredByScheduler).map(({ name }) => name),
  );
  // Of one scheduler: what a plugin gives away for one profile the others must not give away again.
  const given: Given = { volumes: noVolumesGiven(), devices: new GivenDevices() };
  const common = new Map(defaultProfile().plugins.map((plugin) => [plugin.name, plugin]));
  for (const name of ['VolumeBinding', 'DynamicResources']) common.set(name, TOLD[name]!({}, given));
  return profiles.map((profile) => {
    const schedulerName = profile.schedulerName ?? DEFAULT_NAME;
    const percentage = profile.percentageOfNodesToScore ?? percentageOfNodesToScore;
    try {
      return {
        schedulerName,
        plugins: pluginsOf(profile, { schedulerName, ignored, common, given }),
        ...(extenders.length > 0 && { extenders }),
        ...(percentage !== undefined && { percentageOfNodesToScore: percentage }),
      };
    } catch (error) {
      if (!(error instanceof ProfileFailed)) throw error;
      const where = `initializing profiles: creating profile for scheduler name ${schedulerName}`;
      throw new ProfileFailed(`${where}: ${error.message}`);
    }
  });
}

interface Given {
  volumes: GivenVolumes;
  devices: GivenDevices;
}

interface Among {
  schedulerName: string;
  /** Resources that extenders look after. */
  ignored: readonly string[];
  /** Plugins as they are where a profile says nothing of them. */
  common: ReadonlyMap<string, Plugin>;
  given: Given;
}

function pluginsOf(
  { plugins: sets = {}, pluginConfig = [] }: ConfiguredProfile,
  { schedulerName, ignored, common, given }: Among,
): Plugin[] {
  const known = new Map(common);
  const fit = pluginConfig.find(({ name }) => name === 'NodeResourcesFit') ?? { name: 'NodeResourcesFit' };
  for (const { name, args = {} } of ignored.length > 0 ? [...pluginConfig, fit] : pluginConfig) {
    const others = name === 'NodeResourcesFit' ? ignored : [];
    const told = TOLD[name]?.(
      others.length > 0 ? { ...args, ignoredResources: [...(args.ignoredResources ?? []), ...others] } : args,
      given,
    );
    if (told) known.set(name, told);
  }
  const everywhere = enabledIn(sets.multiPoint, [...known.keys()]);
  refuseTwice(sets.multiPoint?.enabled ?? [], known);
  const points = new Map(
    EXTENSION_POINTS.map((point) => [point, enabledAt(point, { everywhere, known, set: sets[point] })]),
  );
  const order = [...new Set([...everywhere.keys(), ...[...points.values()].flatMap((each) => [...each.keys()])])];
  const plugins = order.flatMap((name) => {
    const plugin = known.get(name);
    if (!plugin) throw new ProfileFailed(`${interfaceOf('preFilter')} "${name}" does not exist`);
    const kept = EXTENSION_POINTS.filter((point) => points.get(point)?.has(name));
    return kept.length > 0 ? [ranked(only(plugin, kept, points.get('score')?.get(name)), points)] : [];
  });
  const sorting = plugins.filter(({ queueSort }) => queueSort).length;
  if (sorting !== 1)
    throw new ProfileFailed(
      `only one queue sort plugin required for profile with scheduler name "${schedulerName}", but got ${sorting}`,
    );
  if (!plugins.some(({ bind }) => bind))
    throw new ProfileFailed(`at least one bind plugin is needed for profile with scheduler name "${schedulerName}"`);
  return plugins;
}

/** Weights by name; undefined: the plugin's own. */
type Enabled = ReadonlyMap<string, number | undefined>;

/** The default ones less those that are taken away; one that is named again keeps its place. */
function enabledIn({ enabled = [], disabled = [] }: PluginSet = {}, defaults: readonly string[]): Enabled {
  const off = new Set(disabled.map(({ name }) => name));
  const all: Map<string, number | undefined> = new Map(
    defaults.filter((name) => !off.has('*') && !off.has(name)).map((name) => [name, undefined]),
  );
  for (const { name, weight } of enabled) all.set(name, weight || 1);
  return all;
}

interface At {
  everywhere: Enabled;
  known: ReadonlyMap<string, Plugin>;
  set: PluginSet | undefined;
}

const hasPoint = (plugin: Plugin | undefined, point: ExtensionPoint): boolean =>
  plugin !== undefined && PARTS[point].some((part) => plugin[part] !== undefined);

/** Those that stand for all points and are named here are first, as they are named here; those that stand here alone are last. */
function enabledAt(point: ExtensionPoint, { everywhere, known, set = {} }: At): Enabled {
  const has = (name: string) => hasPoint(known.get(name), point);
  const off = new Set((set.disabled ?? []).map(({ name }) => name));
  const here = new Map<string, number | undefined>();
  for (const { name, weight } of set.enabled ?? []) {
    if (!known.has(name)) throw new ProfileFailed(`${interfaceOf(point)} "${name}" does not exist`);
    if (!has(name)) throw new ProfileFailed(`plugin "${name}" does not extend ${interfaceOf(point)} plugin`);
    if (here.has(name)) throw new ProfileFailed(`plugin "${name}" already registered as "${interfaceOf(point)}"`);
    here.set(name, weight || 1);
  }
  if (off.has('*')) return here;
  const general = [...everywhere].filter(([name]) => !off.has(name) && has(name));
  const isGeneral = new Set(general.map(([name]) => name));
  return new Map([
    ...[...here].filter(([name]) => isGeneral.has(name)),
    ...general.filter(([name]) => !here.has(name)),
    ...[...here].filter(([name]) => !isGeneral.has(name)),
  ]);
}

/** Of the points of a plugin that is named twice for all of them upstream says the first that it comes to. */
function refuseTwice(enabled: NonNullable<PluginSet['enabled']>, known: ReadonlyMap<string, Plugin>): void {
  const twice = enabled.find(({ name }, i) => enabled.findIndex((other) => other.name === name) < i);
  const point = twice && FIRST_SEEN.find((each) => hasPoint(known.get(twice.name), each));
  if (point) throw new ProfileFailed(`plugin "${twice.name}" already registered as "${interfaceOf(point)}"`);
}

/** Its place at each of its points. */
function ranked(plugin: Plugin, points: ReadonlyMap<ExtensionPoint, Enabled>): Plugin {
  const rank: Record<string, number> = {};
  for (const [point, enabled] of points) {
    const place = [...enabled.keys()].indexOf(plugin.name);
    for (const part of PARTS[point]) if (plugin[part]) rank[part] = place;
  }
  return { ...plugin, rank };
}

/** The plugin with these points alone. */
function only(plugin: Plugin, points: readonly ExtensionPoint[], weight: number | undefined): Plugin {
  const kept: Record<string, unknown> = { ...plugin, ...(weight !== undefined && { weight }) };
  for (const point of EXTENSION_POINTS) if (!points.includes(point)) for (const part of PARTS[point]) delete kept[part];
  return kept as unknown as Plugin;
}

const TOLD: Readonly<Record<string, (args: PluginArgs, given: Given) => Plugin>> = Object.assign(Object.create(null), {
  NodeResourcesFit: ({ scoringStrategy, ignoredResources, ignoredResourceGroups }: PluginArgs) =>
    nodeResourcesFitWith({
      ...(scoringStrategy && { scoringStrategy: strategyOf(scoringStrategy) }),
      ...(ignoredResources && { ignoredResources }),
      ...(ignoredResourceGroups && { ignoredResourceGroups }),
    }),
  DefaultPreemption: defaultPreemptionWith,
  NodeResourcesBalancedAllocation: ({ resources }: PluginArgs) =>
    balancedAllocationWith(resources?.map(({ name }) => name)),
  InterPodAffinity: interPodAffinityWith,
  NodeAffinity: nodeAffinityWith,
  PodTopologySpread: podTopologySpreadWith,
  VolumeBinding: ({ bindTimeoutSeconds = 600 }: PluginArgs, { volumes }: Given) =>
    volumeBinding({ bindTimeoutSeconds }, volumes),
  DynamicResources: ({ filterTimeout, bindingTimeout }: PluginArgs, { devices }: Given) =>
    dynamicResources(
      {
        ...(filterTimeout !== undefined && { filterTimeoutMs: goDurationMs(filterTimeout).ms ?? 0 }),
        ...(bindingTimeout !== undefined && { bindingTimeoutMs: goDurationMs(bindingTimeout).ms ?? 0 }),
      },
      devices,
    ),
});

const CPU_AND_MEMORY: readonly ResourceWeight[] = [{ name: 'cpu' }, { name: 'memory' }];

function strategyOf(given: NonNullable<PluginArgs['scoringStrategy']>): ScoringStrategy {
  const { type = 'LeastAllocated', resources = CPU_AND_MEMORY, requestedToCapacityRatio } = given;
  const weighted = resources.map(({ name, weight = 1 }) => ({ name, weight: weight || 1 }));
  if (type !== 'RequestedToCapacityRatio')
    return { type: type === 'MostAllocated' ? type : 'LeastAllocated', resources: weighted };
  const shape = (requestedToCapacityRatio?.shape ?? []).map(({ utilization = 0, score = 0 }) => ({
    utilization,
    score,
  }));
  return { type, resources: weighted, shape };
}
