/**
 * What would be wrong with a policy's expressions if they knew what they are asked about: warnings for the policy's status.
 * Source: Kubernetes documentation, "Type checking" of Validating Admission Policy; texts as upstream's typechecking.go.
 */
import type { ExpressionWarning, RuleWithOperations } from '#api/generated/schema.ts';
import type { DeclaredType } from '#api/machinery/cel/declared-type.ts';
import { typedEnvironment } from './policy-environment.ts';
import { PolicyExpressions } from './policy-expressions.ts';
import type { ValidatingAdmissionPolicy } from './validating-admission-policy.ts';

export interface TypeName {
  group: string;
  version: string;
  kind: string;
}

/** What is served, as far as it is known. */
export interface ServedTypes {
  kindOf(resource: { group: string; version: string; plural: string }): string | undefined;
  /** undefined when nothing is known of the shape of its objects. */
  typeOf(name: TypeName): DeclaredType | undefined;
}

/** Of one rule: there may be many more than anybody wants to read about. */
const MAX_TYPES = 10;

export function expressionWarnings(policy: ValidatingAdmissionPolicy, served: ServedTypes): ExpressionWarning[] {
  const types = typesOf(policy, served);
  const params = paramsOf(policy, served);
  const check = (fieldRef: string, expression: string): ExpressionWarning[] => {
    const warnings = types.flatMap(({ name, type }) => {
      const issues = issuesOf(expression, policy, { object: type, params });
      return issues === undefined ? [] : [`${textOf(name)}: ${issues}\n`];
    });
    return warnings.length > 0 ? [{ fieldRef, warning: warnings.join('\n') }] : [];
  };
  return (policy.spec.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
    ...check(`spec.validations[${i}].expression`, expression),
    ...(messageExpression ? check(`spec.validations[${i}].messageExpression`, messageExpression) : []),
  ]);
}

const textOf = ({ group, version, kind }: TypeName): string => `${group}/${version}, Kind=${kind}`;

function issuesOf(
  expression: string,
  { spec }: ValidatingAdmissionPolicy,
  types: { object: DeclaredType; params: DeclaredType | undefined },
): string | undefined {
  const env = typedEnvironment({ ...types, hasParams: spec.paramKind !== undefined });
  const expressions = new PolicyExpressions({ composes: true, env });
  for (const variable of spec.variables ?? []) expressions.addVariable(variable.name, variable.expression);
  return expressions.compile(expression, undefined).issues;
}

function paramsOf({ spec: { paramKind } }: ValidatingAdmissionPolicy, served: ServedTypes): DeclaredType | undefined {
  if (!paramKind) return undefined;
  const [version = '', group = ''] = (paramKind.apiVersion ?? '').split('/').reverse();
  return served.typeOf({ group, version, kind: paramKind.kind ?? '' });
}

/** In the order of their names. What rules mean by wildcards is not looked at. */
function typesOf({ spec }: ValidatingAdmissionPolicy, served: ServedTypes): { name: TypeName; type: DeclaredType }[] {
  const found = new Map<string, TypeName>();
  for (const rule of spec.matchConstraints?.resourceRules ?? [])
    for (const name of namesIn(rule, served)) found.set(textOf(name), name);
  return [...found.values()]
    .sort((a, b) => compare(a.group, b.group) || compare(a.version, b.version) || compare(a.kind, b.kind))
    .flatMap((name) => {
      const type = served.typeOf(name);
      return type ? [{ name, type }] : [];
    });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function namesIn({ apiGroups = [], apiVersions = [], resources = [] }: RuleWithOperations, served: ServedTypes) {
  const names: TypeName[] = [];
  if ([...apiGroups, ...apiVersions].some((text) => text.includes('*'))) return names;
  for (const group of [...apiGroups].sort())
    for (const version of [...apiVersions].sort())
      for (const plural of [...resources].sort()) {
        const kind = /[*/]/.test(plural) ? undefined : served.kindOf({ group, version, plural });
        if (kind !== undefined && names.length < MAX_TYPES) names.push({ group, version, kind });
      }
  return names;
}
