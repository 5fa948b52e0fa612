/** Whom and what the rules of a FlowSchema may name. Source: API reference, flowcontrol.apiserver.k8s.io/v1; texts: kube-apiserver. */
import type * as schema from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isRequired } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';

const ALL = '*';
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
/** By the kind of a subject: the field that names it, in the order in which others are looked for. */
const SUBJECT_FIELDS = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const;
type SubjectKind = keyof typeof SUBJECT_FIELDS;

export const validateFlowRules = (
  rules: readonly schema.PolicyRulesWithSubjects[],
  at: At<schema.PolicyRulesWithSubjects[]>,
): FieldError[] => rules.flatMap((rule, index) => validateRule(rule, at[index]!));

function validateRule(
  { subjects, resourceRules = [], nonResourceRules = [] }: schema.PolicyRulesWithSubjects,
  at: At<schema.PolicyRulesWithSubjects>,
): FieldError[] {
  return [
    ...isRequired(at.subjects, subjects ?? [], 'subjects must contain at least one value'),
    ...(subjects ?? []).flatMap((subject, index) => validateSubject(subject, at.subjects[index]!)),
    ...(resourceRules.length + nonResourceRules.length > 0
      ? []
      : [requiredValue(at, 'at least one of resourceRules and nonResourceRules has to be non-empty')]),
    ...resourceRules.flatMap((rule, index) => validateResourceRule(rule, at.resourceRules[index]!)),
    ...nonResourceRules.flatMap((rule, index) => validateNonResourceRule(rule, at.nonResourceRules[index]!)),
  ];
}

function validateSubject(subject: schema.FlowcontrolSubject, at: At<schema.FlowcontrolSubject>): FieldError[] {
  const own = Object.hasOwn(SUBJECT_FIELDS, subject.kind) ? SUBJECT_FIELDS[subject.kind as SubjectKind] : undefined;
  if (!own) return [notSupportedValue(at.kind, subject.kind, Object.keys(SUBJECT_FIELDS).sort())];
  const named = subject[own];
  const others = (['serviceAccount', 'user', 'group'] as const).filter((field) => field !== own && subject[field]);
  return [
    ...(named ? [] : [requiredValue(at[own], `${own} is required when subject kind is '${subject.kind}'`)]),
    ...(named ? validateNamed(subject, own, at) : []),
    ...others.map((field) => {
      const kind = Object.keys(SUBJECT_FIELDS).find((one) => SUBJECT_FIELDS[one as SubjectKind] === field);
      return forbiddenField(at[field], `${field} is forbidden when subject kind is not '${kind}'`);
    }),
  ];
}

function validateNamed(
  { serviceAccount, user, group }: schema.FlowcontrolSubject,
  own: (typeof SUBJECT_FIELDS)[SubjectKind],
  at: At<schema.FlowcontrolSubject>,
): FieldError[] {
  if (own !== 'serviceAccount') return isRequired(at[own].name, (own === 'user' ? user : group)?.name);
  const { name = '', namespace = '' } = serviceAccount ?? {};
  const here = at.serviceAccount;
  return [
    ...isRequired(here.name, name),
    ...(name === '' || name === ALL ? [] : follows(here.name, name, dns1123Subdomain)),
    ...isRequired(here.namespace, namespace, 'must specify namespace for service account'),
    ...(namespace === '' ? [] : follows(here.namespace, namespace, dns1123Label)),
  ];
}

function validateResourceRule(
  { verbs, apiGroups, resources, namespaces = [], clusterScope }: schema.ResourcePolicyRule,
  at: At<schema.ResourcePolicyRule>,
): FieldError[] {
  return [
    ...validateVerbs(verbs, at.verbs),
    ...isRequired(at.apiGroups, apiGroups ?? [], 'resource rules must supply at least one api group'),
    ...standsAlone(apiGroups ?? [], at.apiGroups, 'api groups'),
    ...isRequired(at.resources, resources ?? [], 'resource rules must supply at least one resource'),
    ...standsAlone(resources ?? [], at.resources, 'resources'),
    ...(namespaces.length === 0 && !clusterScope
      ? [requiredValue(at.namespaces, 'resource rules that are not cluster scoped must supply at least one namespace')]
      : validateNamespaces(namespaces, at.namespaces)),
  ];
}

function validateNamespaces(namespaces: readonly string[], at: At<string[]>): FieldError[] {
  if (namespaces.includes(ALL)) return standsAlone(namespaces, at, 'namespaces');
  return namespaces.flatMap((name, index) =>
    dns1123Label(name).map((text) =>
      invalidValue(at[index]!, name, `each member of this list must be '*' or a DNS-1123 label; ${text}`),
    ),
  );
}

function validateNonResourceRule(
  { verbs, nonResourceURLs }: schema.NonResourcePolicyRule,
  at: At<schema.NonResourcePolicyRule>,
): FieldError[] {
  const urls = nonResourceURLs ?? [];
  return [
    ...validateVerbs(verbs, at.verbs),
    ...isRequired(at.nonResourceURLs, urls, 'nonResourceURLs must contain at least one value'),
    ...(urls.includes(ALL)
      ? standsAlone(urls, at.nonResourceURLs, 'non-resource URLs')
      : urls.flatMap((url, index) => {
          const problem = problemOfUrl(url);
          return problem === undefined ? [] : [invalidValue(at.nonResourceURLs[index]!, url, problem)];
        })),
  ];
}

function problemOfUrl(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const star = url.indexOf(ALL);
  if (star >= 0 && (star < url.length - 1 || !url.endsWith('/*'))) return 'wildcard can only do suffix matching';
  return undefined;
}

function validateVerbs(verbs: readonly string[] | undefined, at: Path): FieldError[] {
  if (!verbs?.length) return [requiredValue(at, 'verbs must contain at least one value')];
  if (verbs.includes(ALL)) return standsAlone(verbs, at, 'verbs');
  return verbs.every((verb) => VERBS.includes(verb)) ? [] : [notSupportedValue(at, verbs, VERBS)];
}

const standsAlone = (values: readonly string[], at: Path, what: string): FieldError[] =>
  values.length > 1 && values.includes(ALL)
    ? [invalidValue(at, values, `if '*' is present, must not specify other ${what}`)]
    : [];

/** Of both kinds: each type once. */
export function validateFlowConditions(
  conditions: readonly { type?: string }[] | undefined,
  at: At<{ type?: string }[]>,
): FieldError[] {
  const seen = new Set<string>();
  return (conditions ?? []).flatMap(({ type = '' }, index) => {
    const again = seen.has(type);
    seen.add(type);
    return [...(again ? [duplicateValue(at[index]!.type, type)] : []), ...isRequired(at[index]!.type, type)];
  });
}
