/** What roles and bindings have in common. Source: API reference, rbac.authorization.k8s.io/v1. */
import type { PolicyRule, RoleRef, Subject, Submitted } from '#api/generated/schema.ts';
import { ageColumn, column, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import type { Column } from '#api/machinery/kind.ts';
import { dns1123Subdomain, pathSegment } from '#api/machinery/names.ts';
import type { KubeObject } from '#api/machinery/object.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';

export const validateRules = (rules: readonly PolicyRule[] | undefined, at: At<PolicyRule[]>, namespaced: boolean) =>
  (rules ?? []).flatMap((rule, index) => validateRule(rule, at[index]!, namespaced));

function validateRule(rule: PolicyRule, at: At<PolicyRule>, namespaced: boolean): FieldError[] {
  const verbs = rule.verbs?.length ? [] : [requiredValue(at.verbs, 'verbs must contain at least one value')];
  if (rule.nonResourceURLs?.length) {
    if (namespaced)
      verbs.push(
        invalidValue(at.nonResourceURLs, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'),
      );
    const mixed = rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length;
    const text = 'rules cannot apply to both regular resources and non-resource URLs';
    return [...verbs, ...(mixed ? [invalidValue(at.nonResourceURLs, rule.nonResourceURLs, text)] : [])];
  }
  if (!rule.apiGroups?.length)
    verbs.push(requiredValue(at.apiGroups, 'resource rules must supply at least one api group'));
  if (!rule.resources?.length)
    verbs.push(requiredValue(at.resources, 'resource rules must supply at least one resource'));
  return verbs;
}

/** The group of the role and of each subject, where it was left out. */
export const defaultBinding = <T extends { roleRef?: Submitted<RoleRef>; subjects?: Submitted<Subject>[] }>(
  binding: T,
) => ({
  ...binding,
  roleRef: { ...binding.roleRef, apiGroup: binding.roleRef?.apiGroup || RBAC_GROUP },
  ...(binding.subjects && { subjects: binding.subjects.map(defaultSubject) }),
});

function defaultSubject(subject: Submitted<Subject>): Submitted<Subject> {
  if (subject.apiGroup) return subject;
  return subject.kind === 'User' || subject.kind === 'Group' ? { ...subject, apiGroup: RBAC_GROUP } : subject;
}

type Binding = KubeObject & { roleRef: RoleRef; subjects?: Subject[] };

export function validateBinding(binding: Binding, at: At<Binding>, roleKinds: readonly string[]): FieldError[] {
  const { roleRef, subjects = [] } = binding;
  const errors: FieldError[] = [];
  if (roleRef.apiGroup !== RBAC_GROUP)
    errors.push(notSupportedValue(at.roleRef.apiGroup, roleRef.apiGroup ?? '', [RBAC_GROUP]));
  if (!roleKinds.includes(roleRef.kind)) errors.push(notSupportedValue(at.roleRef.kind, roleRef.kind ?? '', roleKinds));
  if (!roleRef.name) errors.push(requiredValue(at.roleRef.name));
  else errors.push(...pathSegment(roleRef.name).map((text) => invalidValue(at.roleRef.name, roleRef.name, text)));
  const namespaced = roleKinds.includes('Role');
  return [...errors, ...subjects.flatMap((subject, i) => validateSubject(subject, at.subjects[i]!, namespaced))];
}

function validateSubject(subject: Subject, at: At<Subject>, namespaced: boolean): FieldError[] {
  const { kind, name, apiGroup = '', namespace } = subject;
  const errors: FieldError[] = name ? [] : [requiredValue(at.name)];
  if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== RBAC_GROUP) errors.push(notSupportedValue(at.apiGroup, apiGroup, [RBAC_GROUP]));
    return errors;
  }
  if (kind !== 'ServiceAccount')
    return [...errors, notSupportedValue(at.kind, kind ?? '', ['ServiceAccount', 'User', 'Group'])];
  if (name) errors.push(...follows(at.name, name, dns1123Subdomain));
  if (apiGroup) errors.push(notSupportedValue(at.apiGroup, apiGroup, ['']));
  if (!namespaced && !namespace) errors.push(requiredValue(at.namespace));
  return errors;
}

export const validateBindingUpdate = (next: Binding, current: Binding, at: At<Binding>): FieldError[] => {
  const [a, b] = [next.roleRef, current.roleRef];
  const same = a.kind === b.kind && a.name === b.name && (a.apiGroup ?? '') === (b.apiGroup ?? '');
  return same ? [] : [invalidValue(at.roleRef, next.roleRef, 'cannot change roleRef')];
};

export const bindingColumns = <T extends Binding>(): Column<T>[] => {
  const names = (subjects: Subject[] | undefined, kind: string) =>
    (subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map(({ namespace, name }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
      .join(', ');
  return [
    nameColumn(),
    column('Role', 'string', ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`),
    ageColumn(),
    wideColumn('Users', 'string', ({ subjects }) => names(subjects, 'User')),
    wideColumn('Groups', 'string', ({ subjects }) => names(subjects, 'Group')),
    wideColumn('ServiceAccounts', 'string', ({ subjects }) => names(subjects, 'ServiceAccount')),
  ];
};

export const roleColumns = <T extends KubeObject>(): Column<T>[] => [
  nameColumn(),
  column('Created At', 'date', ({ metadata }) => metadata.creationTimestamp),
];
