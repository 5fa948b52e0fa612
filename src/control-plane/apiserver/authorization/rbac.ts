/**
 * Role-based access control: allows what some rule, bound to the user or to one of the user's groups, covers; has no
 * opinion on the rest. Source: documentation, "Using RBAC Authorization".
 */
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '#api/generated/schema.ts';
import type { UserInfo } from '#client/transport.ts';
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
import { ruleAllows } from './policy-rule.ts';

/** Where roles and bindings are looked up. Bindings come by the key of a subject, see `subjectKeysOf`. */
export interface RbacSource {
  clusterRole(name: string): ClusterRole | undefined;
  role(namespace: string, name: string): Role | undefined;
  clusterRoleBindingsOf(subjectKey: string): readonly ClusterRoleBinding[];
  roleBindingsOf(namespace: string, subjectKey: string): readonly RoleBinding[];
}

const serviceAccountUser = (namespace: string, name: string): string => `system:serviceaccount:${namespace}:${name}`;

/** Under which keys a binding is to be found. A subject without a namespace means one in the binding's. */
export function subjectKeysOf(binding: ClusterRoleBinding | RoleBinding): string[] {
  const keys = (binding.subjects ?? []).map(({ kind, name, namespace }) => {
    if (kind !== 'ServiceAccount') return `${kind}/${name}`;
    return `User/${serviceAccountUser(namespace || binding.metadata.namespace || '', name)}`;
  });
  return [...new Set(keys)];
}

const keysOfUser = ({ name, groups }: UserInfo): string[] => [
  `User/${name}`,
  ...groups.map((group) => `Group/${group}`),
];

interface Grant {
  binding: ClusterRoleBinding | RoleBinding;
  subjectKey: string;
  rules: readonly PolicyRule[];
}

export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly #source: RbacSource;

  constructor(source: RbacSource) {
    this.#source = source;
  }

  authorize(attributes: Attributes): Decision {
    const problems: string[] = [];
    const namespace = isResourceRequest(attributes) ? attributes.namespace : '';
    for (const grant of this.#grants(attributes.user, namespace, problems)) {
      if (grant.rules.some((rule) => ruleAllows(rule, attributes))) return allow(`RBAC: allowed by ${describe(grant)}`);
    }
    return noOpinion(problems.length === 0 ? '' : `RBAC: ${aggregate(problems)}`);
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const problems: string[] = [];
    const rules = [...this.#grants(user, namespace, problems)].flatMap((grant) => grant.rules);
    return {
      resourceRules: rules
        .filter(({ resources }) => resources?.length)
        .map(({ verbs, apiGroups = [], resources = [], resourceNames }) => ({
          verbs,
          apiGroups,
          resources,
          ...(resourceNames?.length && { resourceNames }),
        })),
      nonResourceRules: rules.flatMap(({ verbs, nonResourceURLs }) =>
        nonResourceURLs?.length ? [{ verbs, nonResourceURLs }] : [],
      ),
      incomplete: problems.length > 0,
      ...(problems.length > 0 && { evaluationError: aggregate(problems) }),
    };
  }

  /** All rules that hold for the user in the namespace, '' for the cluster alone. What cannot be found is left out. */
  policyRulesOf(user: UserInfo, namespace: string): PolicyRule[] {
    return [...this.#grants(user, namespace, [])].flatMap((grant) => grant.rules);
  }

  /** The rules behind a binding's roleRef; undefined when there is no such role. */
  rulesBehind(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const role =
      roleRef.kind === 'ClusterRole'
        ? this.#source.clusterRole(roleRef.name)
        : this.#source.role(namespace, roleRef.name);
    return role && (role.rules ?? []);
  }

  *#grants(user: UserInfo, namespace: string, problems: string[]): Generator<Grant> {
    const keys = keysOfUser(user);
    for (const subjectKey of keys)
      for (const binding of this.#source.clusterRoleBindingsOf(subjectKey)) {
        const rules = this.#rulesOf(binding, '', problems);
        if (rules) yield { binding, subjectKey, rules };
      }
    if (!namespace) return;
    for (const subjectKey of keys)
      for (const binding of this.#source.roleBindingsOf(namespace, subjectKey)) {
        const rules = this.#rulesOf(binding, namespace, problems);
        if (rules) yield { binding, subjectKey, rules };
      }
  }

  #rulesOf({ roleRef }: ClusterRoleBinding | RoleBinding, namespace: string, problems: string[]) {
    const rules = this.rulesBehind(roleRef, namespace);
    if (!rules) problems.push(`${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io "${roleRef.name}" not found`);
    return rules;
  }
}

// As Go writes several errors in one.
function aggregate(problems: readonly string[]): string {
  const each = [...new Set(problems)];
  return each.length === 1 ? (each[0] ?? '') : `[${each.join(', ')}]`;
}

function describe({ binding, subjectKey }: Grant): string {
  const { kind, metadata, roleRef } = binding;
  const name = metadata.namespace ? `${metadata.name}/${metadata.namespace}` : metadata.name;
  const subject = (binding.subjects ?? []).find((one) =>
    subjectKeysOf({ ...binding, subjects: [one] }).includes(subjectKey),
  );
  return `${kind} "${name}" of ${roleRef.kind} "${roleRef.name}" to ${subjectText(subject, metadata.namespace)}`;
}

function subjectText(subject: Subject | undefined, namespace = ''): string {
  if (!subject) return '';
  const { kind, name } = subject;
  return kind === 'ServiceAccount'
    ? `${kind} "${name}/${subject.namespace || namespace}"`
    : `${kind} ${JSON.stringify(name)}`;
}
