/**
 * What of which requests is recorded. The first rule that matches decides; without one nothing is. Source: audit.k8s.io/v1
 * Policy; upstream's audit/policy and apis/audit/validation, texts included.
 */
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import type { UserInfo } from '#client/transport.ts';
import {
  ConfigurationError,
  type ConfigurationType,
  decodeConfiguration,
  refuseInvalid,
} from '../remote/configuration-file.ts';
import type { RequestInfo } from '../request-info.ts';

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof LEVELS)[number];
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof STAGES)[number];

/** What applies to one request. */
export interface AuditConfig {
  level: Level;
  omitStages: ReadonlySet<Stage>;
  omitManagedFields: boolean;
}

interface GroupResources {
  group?: string;
  resources?: string[];
  resourceNames?: string[];
}

interface Rule {
  level?: string;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: string[];
  omitManagedFields?: boolean;
}

interface PolicyFile {
  rules?: Rule[];
  omitStages?: string[];
  omitManagedFields?: boolean;
}

const texts = ['string'] as const;
const POLICY: ConfigurationType = {
  group: 'audit.k8s.io',
  versions: ['v1'],
  kind: 'Policy',
  fields: {
    metadata: { name: 'string', creationTimestamp: 'string' },
    omitStages: texts,
    omitManagedFields: 'boolean',
    rules: [
      {
        level: 'string',
        users: texts,
        userGroups: texts,
        verbs: texts,
        resources: [{ group: 'string', resources: texts, resourceNames: texts }],
        namespaces: texts,
        nonResourceURLs: texts,
        omitStages: texts,
        omitManagedFields: 'boolean',
      },
    ],
  },
};

export class AuditPolicy {
  readonly #rules: readonly { rule: Rule; config: AuditConfig }[];

  constructor({ rules = [], omitStages = [], omitManagedFields = false }: PolicyFile) {
    this.#rules = rules.map((rule) => ({
      rule,
      config: {
        level: rule.level as Level,
        omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])] as Stage[]),
        omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
      },
    }));
  }

  /** undefined: nothing is recorded. */
  configFor(info: RequestInfo, user: UserInfo | undefined): AuditConfig | undefined {
    for (const { rule, config } of this.#rules)
      if (matches(rule, info, user)) return config.level === 'None' ? undefined : config;
    return undefined;
  }
}

/** Throws ConfigurationError with everything that is wrong. */
export function parsePolicy(text: string): AuditPolicy {
  const file = decodeConfiguration<PolicyFile>(text, POLICY);
  refuseInvalid(problemsOf(file));
  if (!file.rules?.length) throw new ConfigurationError('loaded illegal policy with 0 rules');
  return new AuditPolicy(file);
}

function problemsOf({ omitStages, rules = [] }: PolicyFile): FieldError[] {
  return [...stageProblems('omitStages', omitStages), ...rules.flatMap((rule, i) => ruleProblems(`rules[${i}]`, rule))];
}

function ruleProblems(at: string, rule: Rule): FieldError[] {
  const { level, nonResourceURLs = [], resources = [], namespaces = [], omitStages } = rule;
  const isMixed = nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0);
  return [
    ...(level
      ? (LEVELS as readonly string[]).includes(level)
        ? []
        : [notSupportedValue(`${at}.level`, level, LEVELS)]
      : [requiredValue(`${at}.level`)]),
    ...nonResourceURLs.flatMap((url, i) => urlProblems(`${at}.nonResourceURLs[${i}]`, url)),
    ...resources.flatMap((one) => resourceProblems(`${at}.resources`, one)),
    ...stageProblems(`${at}.omitStages`, omitStages),
    ...(isMixed
      ? [
          invalidValue(
            `${at}.nonResourceURLs`,
            nonResourceURLs,
            'rules cannot apply to both regular resources and non-resource URLs',
          ),
        ]
      : []),
  ];
}

function urlProblems(at: string, url: string): FieldError[] {
  if (url === '*') return [];
  return [
    ...(url.startsWith('/') ? [] : [invalidValue(at, url, "non-resource URL rules must begin with a '/' character")]),
    ...(url.slice(0, -1).includes('*')
      ? [invalidValue(at, url, "non-resource URL wildcards '*' must be the final character of the rule")]
      : []),
  ];
}

function resourceProblems(
  at: string,
  { group = '', resources = [], resourceNames = [] }: GroupResources,
): FieldError[] {
  const problems = group && group !== '*' ? dns1123Subdomain(group) : [];
  return [
    ...(problems.length > 0 ? [invalidValue(`${at}.group`, group, problems.join(','))] : []),
    ...(resourceNames.length > 0 && resources.length === 0
      ? [invalidValue(`${at}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource')]
      : []),
  ];
}

const stageProblems = (at: string, stages: readonly string[] = []): FieldError[] =>
  stages.flatMap((stage, i) =>
    (STAGES as readonly string[]).includes(stage)
      ? []
      : [invalidValue(`${at}[${i}]`, stage, `allowed stages are ${STAGES.join(',')}`)],
  );

const has = (list: readonly string[] | undefined, one: string): boolean => !list?.length || list.includes(one);

function matches(rule: Rule, info: RequestInfo, user: UserInfo | undefined): boolean {
  if (rule.users?.length && !(user && rule.users.includes(user.name))) return false;
  if (rule.userGroups?.length && !user?.groups.some((group) => rule.userGroups?.includes(group))) return false;
  if (!has(rule.verbs, info.verb || info.method.toLowerCase())) return false;
  if (rule.namespaces?.length || rule.resources?.length) return matchesResource(rule, info);
  if (!rule.nonResourceURLs?.length) return true;
  return !info.isResource && rule.nonResourceURLs.some((url) => matchesPath(url, info.path));
}

const matchesPath = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')));

function matchesResource({ namespaces, resources }: Rule, info: RequestInfo): boolean {
  if (!info.isResource || !has(namespaces, info.namespace)) return false;
  if (!resources?.length) return true;
  const { resource, subresource, name } = info;
  const whole = subresource ? `${resource}/${subresource}` : resource;
  const isNamed = (wanted: string) =>
    wanted === whole ||
    wanted === '*' ||
    (subresource !== '' && wanted === `*/${subresource}`) ||
    wanted === `${resource}/*`;
  return resources.some(({ group = '', resources: wanted = [], resourceNames }) => {
    if (group !== info.group && group !== '*') return false;
    return wanted.length === 0 || (has(resourceNames, name) && wanted.some(isNamed));
  });
}
