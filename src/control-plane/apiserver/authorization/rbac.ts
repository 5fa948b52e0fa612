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
import { haveSameItems } from '#base/same-items.ts';
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
import { rulesAllow } from './policy-rule.ts';

/** Where roles and bindings are looked up. Bindings come by the key of a subject, see `subjectKeysOf`. */
export interface RbacSource {
  clusterRole(name: string): ClusterRole | undefined;
  role(namespace: string, name: string): Role | undefined;
  clusterRoleBindingsOf(subjectKey: string): readonly ClusterRoleBinding[];
  roleBindingsOf(namespace: string, subjectKey: string): readonly RoleBinding[];
  /** Called after each change of any of these. */
  onChange(listener: () => void): void;
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
  rules: readonly PolicyRule[];
  /** Why they hold. */
  reason: string;
}

/** What a user is given by the bindings of the cluster, or by those of one namespace; and which roles are not there. */
interface Granted {
  grants: readonly Grant[];
  problems: readonly string[];
}

/** Users that were met, and namespaces of them: beyond that all are forgotten. */
const MOST_REMEMBERED = 10_000;
/** No namespace has a longer name. Anybody may ask about one, and is not to fill the memory with what he calls it. */
const LONGEST_NAMESPACE = 63;

export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly #source: RbacSource;
  readonly #remembered = new GrantsByUser();

  constructor(source: RbacSource) {
    this.#source = source;
    source.onChange(() => this.#remembered.clear());
  }

  authorize(attributes: Attributes): Decision {
    const namespace = isResourceRequest(attributes) ? attributes.namespace : '';
    const problems: string[] = [];
    for (const granted of this.#inTurn(attributes.user, namespace)) {
      for (const { rules, reason } of granted.grants) if (rulesAllow(rules, attributes)) return allow(reason);
      problems.push(...granted.problems);
    }
    return noOpinion(problems.length === 0 ? '' : `RBAC: ${aggregate(problems)}`);
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const rules = this.policyRulesOf(user, namespace);
    const problems = [...this.#inTurn(user, namespace)].flatMap((granted) => granted.problems);
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
    const grants = [...this.#inTurn(user, namespace)].flatMap((granted) => granted.grants);
    return grants.flatMap(({ rules }) => rules);
  }

  /** The rules behind a binding's roleRef; undefined when there is no such role. */
  rulesBehind(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const role =
      roleRef.kind === 'ClusterRole'
        ? this.#source.clusterRole(roleRef.name)
        : this.#source.role(namespace, roleRef.name);
    return role && (role.rules ?? []);
  }

  /** Those of the cluster first: who may something everywhere is not looked up in each namespace. */
  *#inTurn(user: UserInfo, namespace: string): Generator<Granted, void> {
    yield this.#granted(user, '');
    if (namespace) yield this.#granted(user, namespace);
  }

  /** Components ask for the same thousands of times a second, and roles and bindings change seldom. '': the cluster. */
  #granted(user: UserInfo, namespace: string): Granted {
    const known = this.#remembered.get(user, namespace);
    if (known) return known;
    const problems: string[] = [];
    const granted = { grants: this.#grants(user, namespace, problems), problems };
    if (namespace.length <= LONGEST_NAMESPACE) this.#remembered.set(user, namespace, granted);
    return granted;
  }

  #grants(user: UserInfo, namespace: string, problems: string[]): Grant[] {
    const bindingsOf = (subjectKey: string): readonly (ClusterRoleBinding | RoleBinding)[] =>
      namespace ? this.#source.roleBindingsOf(namespace, subjectKey) : this.#source.clusterRoleBindingsOf(subjectKey);
    return keysOfUser(user).flatMap((subjectKey) =>
      bindingsOf(subjectKey).flatMap((binding): Grant[] => {
        const rules = this.#rulesOf(binding, namespace, problems);
        return rules ? [{ rules, reason: reasonOf(binding, subjectKey) }] : [];
      }),
    );
  }

  #rulesOf({ roleRef }: ClusterRoleBinding | RoleBinding, namespace: string, problems: string[]) {
    const rules = this.rulesBehind(roleRef, namespace);
    if (!rules) problems.push(`${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io "${roleRef.name}" not found`);
    return rules;
  }
}

/** By name and groups, which are all that bindings go by. */
class GrantsByUser {
  readonly #byName = new Map<string, { groups: readonly string[]; byNamespace: Map<string, Granted> }>();
  #size = 0;

  get({ name, groups }: UserInfo, namespace: string): Granted | undefined {
    const of = this.#byName.get(name);
    return of && haveSameItems(of.groups, groups) ? of.byNamespace.get(namespace) : undefined;
  }

  set({ name, groups }: UserInfo, namespace: string, granted: Granted): void {
    if (this.#size >= MOST_REMEMBERED) this.clear();
    this.#size++;
    const of = this.#byName.get(name);
    if (of && haveSameItems(of.groups, groups)) of.byNamespace.set(namespace, granted);
    else this.#byName.set(name, { groups, byNamespace: new Map([[namespace, granted]]) });
  }

  clear(): void {
    this.#byName.clear();
    this.#size = 0;
  }
}

// As Go writes several errors in one.
function aggregate(problems: readonly string[]): string {
  const each = [...new Set(problems)];
  return each.length === 1 ? (each[0] ?? '') : `[${each.join(', ')}]`;
}

function reasonOf(binding: ClusterRoleBinding | RoleBinding, subjectKey: string): string {
  const { kind, metadata, roleRef } = binding;
  const name = metadata.namespace ? `${metadata.name}/${metadata.namespace}` : metadata.name;
  const subject = (binding.subjects ?? []).find((one) =>
    subjectKeysOf({ ...binding, subjects: [one] }).includes(subjectKey),
  );
  return `RBAC: allowed by ${kind} "${name}" of ${roleRef.kind} "${roleRef.name}" to ${subjectText(subject, metadata.namespace)}`;
}

function subjectText(subject: Subject | undefined, namespace = ''): string {
  if (!subject) return '';
  const { kind, name } = subject;
  return kind === 'ServiceAccount'
    ? `${kind} "${name}/${subject.namespace || namespace}"`
    : `${kind} ${JSON.stringify(name)}`;
}
