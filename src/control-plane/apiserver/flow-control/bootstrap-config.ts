/**
 * The FlowSchemas and PriorityLevelConfigurations that every cluster has. The mandatory ones are kept as they are here;
 * the suggested ones follow Kedge's version until somebody says otherwise by the annotation. Source: upstream's
 * apis/flowcontrol/bootstrap.
 */
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
  FlowcontrolSubject as Subject,
} from '#api/generated/schema.ts';
import { MANDATORY_FLOW_SPECS, MANDATORY_LEVEL_SPECS } from '#api/flowcontrol/v1/mandatory-objects.ts';

/** `true`: the server keeps the spec at what it suggests. */
export const AUTO_UPDATE = 'apf.kubernetes.io/autoupdate-spec';

const level = (name: string, spec: object): PriorityLevelConfiguration =>
  ({ metadata: { name, annotations: { [AUTO_UPDATE]: 'true' } }, spec }) as unknown as PriorityLevelConfiguration;

interface Queued {
  shares: number;
  lendable: number;
  queues: number;
  handSize: number;
}

const queued = (name: string, { shares, lendable, queues, handSize }: Queued): PriorityLevelConfiguration =>
  level(name, {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: shares,
      lendablePercent: lendable,
      limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } },
    },
  });

export const MANDATORY_LEVELS: readonly PriorityLevelConfiguration[] = [...MANDATORY_LEVEL_SPECS].map(([name, spec]) =>
  level(name, spec),
);

export const SUGGESTED_LEVELS: readonly PriorityLevelConfiguration[] = [
  queued('system', { shares: 30, lendable: 33, queues: 64, handSize: 6 }),
  queued('node-high', { shares: 40, lendable: 25, queues: 64, handSize: 6 }),
  queued('leader-election', { shares: 10, lendable: 0, queues: 16, handSize: 4 }),
  queued('workload-high', { shares: 40, lendable: 50, queues: 128, handSize: 6 }),
  queued('workload-low', { shares: 100, lendable: 90, queues: 128, handSize: 6 }),
  queued('global-default', { shares: 20, lendable: 50, queues: 128, handSize: 6 }),
];

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }) as Subject);
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }) as Subject);
const serviceAccountsOf = (namespace: string): Subject[] => [
  { kind: 'ServiceAccount', serviceAccount: { name: '*', namespace } } as Subject,
];

const everyone = groups('system:unauthenticated', 'system:authenticated');
const CONTROLLER_MANAGER = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';

/** As they are stored: what is false is left out, or every start would find them changed. */
const resources = (verbs: string[], apiGroups: string[], names: string[], clusterScope: boolean) =>
  ({
    verbs,
    apiGroups,
    resources: names,
    ...(clusterScope && { clusterScope }),
    namespaces: ['*'],
  }) as ResourcePolicyRule;
const paths = (verbs: string[], nonResourceURLs: string[]): NonResourcePolicyRule => ({ verbs, nonResourceURLs });

const anyResource = [resources(['*'], ['*'], ['*'], true)];
const anything = { resourceRules: anyResource, nonResourceRules: [paths(['*'], ['*'])] };
const leases = (verbs: string[]) => resources(verbs, ['coordination.k8s.io'], ['leases'], false);

interface Flow {
  level: string;
  precedence: number;
  by?: 'ByUser' | 'ByNamespace';
  subjects: Subject[];
  rules: { resourceRules?: ResourcePolicyRule[]; nonResourceRules?: NonResourcePolicyRule[] };
}

const flowOf = (name: string, spec: object): FlowSchema =>
  ({ metadata: { name, annotations: { [AUTO_UPDATE]: 'true' } }, spec }) as unknown as FlowSchema;

const flow = (name: string, { level: levelName, precedence, by, subjects, rules }: Flow): FlowSchema =>
  flowOf(name, {
    priorityLevelConfiguration: { name: levelName },
    matchingPrecedence: precedence,
    ...(by && { distinguisherMethod: { type: by } }),
    rules: [{ subjects, ...rules }],
  });

export const MANDATORY_FLOWS: readonly FlowSchema[] = [...MANDATORY_FLOW_SPECS].map(([name, spec]) =>
  flowOf(name, spec),
);

export const SUGGESTED_FLOWS: readonly FlowSchema[] = [
  flow('system-nodes', {
    level: 'system',
    precedence: 500,
    by: 'ByUser',
    subjects: groups('system:nodes'),
    rules: anything,
  }),
  flow('system-node-high', {
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: groups('system:nodes'),
    rules: { resourceRules: [resources(['*'], [''], ['nodes', 'nodes/status'], true), leases(['*'])] },
  }),
  flow('probes', {
    level: 'exempt',
    precedence: 2,
    subjects: everyone,
    rules: { nonResourceRules: [paths(['get'], ['/healthz', '/readyz', '/livez'])] },
  }),
  flow('system-leader-election', {
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [...users(CONTROLLER_MANAGER, SCHEDULER), ...serviceAccountsOf('kube-system')],
    rules: { resourceRules: [leases(['get', 'create', 'update'])] },
  }),
  flow('kube-controller-manager', {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users(CONTROLLER_MANAGER),
    rules: anything,
  }),
  flow('kube-scheduler', {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users(SCHEDULER),
    rules: anything,
  }),
  flow('kube-system-service-accounts', {
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    subjects: serviceAccountsOf('kube-system'),
    rules: anything,
  }),
  flow('service-accounts', {
    level: 'workload-low',
    precedence: 9000,
    by: 'ByUser',
    subjects: groups('system:serviceaccounts'),
    rules: anything,
  }),
  flow('global-default', {
    level: 'global-default',
    precedence: 9900,
    by: 'ByUser',
    subjects: everyone,
    rules: anything,
  }),
];
