/**
 * KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1: which profiles there are, their plugins and what those are
 * told, and who else is asked. Source: API reference, "kube-scheduler Configuration (v1)".
 */
import type { NodeAffinity, TopologySpreadConstraint } from '#api/generated/schema.ts';

export interface SchedulerConfiguration {
  parallelism?: number;
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
  profiles?: readonly ConfiguredProfile[];
  extenders?: readonly ConfiguredExtender[];
}

export interface ConfiguredProfile {
  schedulerName?: string;
  percentageOfNodesToScore?: number;
  plugins?: Partial<Record<ExtensionPoint | 'multiPoint', PluginSet>>;
  pluginConfig?: readonly { name: string; args?: PluginArgs }[];
}

export interface PluginSet {
  enabled?: readonly { name: string; weight?: number }[];
  disabled?: readonly { name: string }[];
}

export const EXTENSION_POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const;
export type ExtensionPoint = (typeof EXTENSION_POINTS)[number];

export interface ResourceWeight {
  name: string;
  weight?: number;
}
export interface ShapePoint {
  utilization?: number;
  score?: number;
}

/** What any plugin may be told. */
export interface PluginArgs {
  kind?: string;
  scoringStrategy?: {
    type?: string;
    resources?: readonly ResourceWeight[];
    requestedToCapacityRatio?: { shape?: readonly ShapePoint[] };
  };
  ignoredResources?: readonly string[];
  ignoredResourceGroups?: readonly string[];
  hardPodAffinityWeight?: number;
  ignorePreferredTermsOfExistingPods?: boolean;
  defaultConstraints?: readonly TopologySpreadConstraint[];
  defaultingType?: string;
  addedAffinity?: NodeAffinity;
  bindTimeoutSeconds?: number;
  shape?: readonly ShapePoint[];
  resources?: readonly ResourceWeight[];
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
  /** As Go writes durations. */
  filterTimeout?: string;
  bindingTimeout?: string;
}

/** Times in ms. */
export interface ConfiguredExtender {
  urlPrefix: string;
  filterVerb?: string;
  preemptVerb?: string;
  prioritizeVerb?: string;
  bindVerb?: string;
  weight?: number;
  enableHTTPS?: boolean;
  tlsConfig?: { insecure?: boolean; serverName?: string; certFile?: string; keyFile?: string; caFile?: string };
  httpTimeout?: number;
  nodeCacheCapable?: boolean;
  managedResources?: readonly { name: string; ignoredByScheduler?: boolean }[];
  ignorable?: boolean;
}

const pluginSet = { enabled: [{ name: 'string', weight: 'integer' }], disabled: [{ name: 'string' }] } as const;

/** The fields of a file, for whoever reads it strictly. */
export const schedulerConfigurationType = {
  group: 'kubescheduler.config.k8s.io',
  versions: ['v1'],
  kind: 'KubeSchedulerConfiguration',
  fields: {
    parallelism: 'integer',
    leaderElection: 'object',
    clientConnection: 'object',
    enableProfiling: 'boolean',
    enableContentionProfiling: 'boolean',
    percentageOfNodesToScore: 'integer',
    podInitialBackoffSeconds: 'integer',
    podMaxBackoffSeconds: 'integer',
    delayCacheUntilActive: 'boolean',
    profiles: [
      {
        schedulerName: 'string',
        percentageOfNodesToScore: 'integer',
        plugins: Object.fromEntries([...EXTENSION_POINTS, 'multiPoint'].map((point) => [point, pluginSet])),
        pluginConfig: [{ name: 'string', args: 'object' }],
      },
    ],
    extenders: [
      {
        urlPrefix: 'string',
        filterVerb: 'string',
        preemptVerb: 'string',
        prioritizeVerb: 'string',
        bindVerb: 'string',
        weight: 'integer',
        enableHTTPS: 'boolean',
        tlsConfig: {
          insecure: 'boolean',
          serverName: 'string',
          certFile: 'string',
          keyFile: 'string',
          caFile: 'string',
        },
        httpTimeout: 'duration',
        nodeCacheCapable: 'boolean',
        managedResources: [{ name: 'string', ignoredByScheduler: 'boolean' }],
        ignorable: 'boolean',
      },
    ],
  },
} as const;
