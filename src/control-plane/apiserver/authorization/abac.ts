/**
 * Attribute-based access control: a file with one policy a line, each of which allows something to somebody. Source:
 * documentation, "Using ABAC Authorization". The file is read once.
 */

import type { UserInfo } from '#client/transport.ts';
import { AUTHENTICATED_GROUP } from '../authentication/authenticator.ts';
import {
  type Attributes,
  type Authorizer,
  allow,
  type Decision,
  isResourceRequest,
  noOpinion,
  type RuleResolver,
  type UserRules,
} from './authorizer.ts';

export interface Policy {
  user: string;
  group: string;
  readonly: boolean;
  apiGroup: string;
  resource: string;
  namespace: string;
  nonResourcePath: string;
}

const VERSION = 'abac.authorization.kubernetes.io/v1beta1';
const TEXTS = ['user', 'group', 'apiGroup', 'resource', 'namespace', 'nonResourcePath'] as const;

/** Throws an Error that names the line. Empty lines and those that begin with # are passed over. */
export function parsePolicies(text: string): Policy[] {
  return text.split('\n').flatMap((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    try {
      return [policyIn(trimmed)];
    } catch (error) {
      throw new Error(`line ${index + 1}: ${trimmed}: ${(error as Error).message}`);
    }
  });
}

function policyIn(line: string): Policy {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value)) throw new Error('a policy must be an object');
  if (value['apiVersion'] === undefined && value['kind'] === undefined) return unversioned(value);
  if (value['apiVersion'] !== VERSION || value['kind'] !== 'Policy')
    throw new Error(`a policy must have apiVersion ${VERSION} and kind Policy`);
  const spec = value['spec'] ?? {};
  if (!isRecord(spec)) throw new Error('spec must be an object');
  return forAllAuthenticated(policyOf(spec));
}

/** The form before there were versions: what is left out is everything. */
function unversioned(line: Record<string, unknown>): Policy {
  const policy = policyOf(line);
  const nobody = !policy.user && !policy.group;
  return forAllAuthenticated({
    ...policy,
    ...(nobody && { group: '*' }),
    apiGroup: '*',
    namespace: policy.namespace || '*',
    resource: policy.resource || '*',
    nonResourcePath: policy.namespace || policy.resource ? '' : '*',
  });
}

function policyOf(fields: Record<string, unknown>): Policy {
  const texts = TEXTS.map((name) => {
    const text = fields[name] ?? '';
    if (typeof text !== 'string') throw new Error(`${name} must be a text`);
    return [name, text];
  });
  const readonly = fields['readonly'] ?? false;
  if (typeof readonly !== 'boolean') throw new Error('readonly must be true or false');
  return { ...(Object.fromEntries(texts) as Record<(typeof TEXTS)[number], string>), readonly };
}

/** `*` means everybody who has said who they are. */
const forAllAuthenticated = (policy: Policy): Policy =>
  policy.user === '*' || policy.group === '*' ? { ...policy, user: '', group: AUTHENTICATED_GROUP } : policy;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const READ_VERBS = ['get', 'list', 'watch'];

export class AbacAuthorizer implements Authorizer, RuleResolver {
  readonly type = 'ABAC';
  readonly name = 'abac';
  readonly #policies: readonly Policy[];

  constructor(policies: readonly Policy[]) {
    this.#policies = policies;
  }

  authorize(attributes: Attributes): Decision {
    const isRead = READ_VERBS.includes(attributes.verb);
    const found = this.#policies.some(
      (policy) => isMeant(policy, attributes.user) && (isRead || !policy.readonly) && covers(policy, attributes),
    );
    return found ? allow() : noOpinion('No policy matched.');
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const policies = this.#policies.filter(
      (policy) => isMeant(policy, user) && (policy.namespace === '*' || policy.namespace === namespace),
    );
    const verbs = (policy: Policy) => (policy.readonly ? [...READ_VERBS] : ['*']);
    return {
      resourceRules: policies
        .filter(({ resource }) => resource)
        .map((policy) => ({ verbs: verbs(policy), apiGroups: [policy.apiGroup], resources: [policy.resource] })),
      nonResourceRules: policies
        .filter(({ nonResourcePath }) => nonResourcePath)
        .map((policy) => ({ verbs: verbs(policy), nonResourceURLs: [policy.nonResourcePath] })),
      incomplete: false,
    };
  }
}

function isMeant({ user, group }: Policy, { name, groups }: UserInfo): boolean {
  if (user && user !== name) return false;
  if (group && !groups.includes(group)) return false;
  return Boolean(user || group);
}

function covers(policy: Policy, attributes: Attributes): boolean {
  if (!isResourceRequest(attributes)) {
    const { nonResourcePath } = policy;
    const prefix = nonResourcePath.endsWith('*') ? nonResourcePath.replace(/\*+$/, '') : undefined;
    return nonResourcePath === attributes.path || (prefix !== undefined && attributes.path.startsWith(prefix));
  }
  const { namespace, resource, group } = attributes;
  const isOrAll = (wanted: string, is: string) => wanted === '*' || wanted === is;
  return isOrAll(policy.namespace, namespace) && isOrAll(policy.resource, resource) && isOrAll(policy.apiGroup, group);
}
