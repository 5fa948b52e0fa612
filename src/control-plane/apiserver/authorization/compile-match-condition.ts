/** Makes programs of the CEL conditions on a SubjectAccessReview. */
import { BOOL, formatType, isSameType } from '#api/machinery/cel/cel-type.ts';
import { field, listType, mapType, objectType, stringType } from '#api/machinery/cel/declared-type.ts';
import { type Environment, environment } from '#api/machinery/cel/environment.ts';
import { compilationProblem } from '#api/machinery/cel/issue.ts';
import type { Program } from '#api/machinery/cel/program.ts';

const strings = listType(stringType);
const requirement = objectType('kubernetes.SelectorRequirement', {
  key: field(stringType),
  operator: field(stringType),
  values: field(strings),
});
const selectorType = (name: string) =>
  objectType(name, { rawSelector: field(stringType), requirements: field(listType(requirement)) });

const specType = objectType('kubernetes.SubjectAccessReviewSpec', {
  resourceAttributes: field(
    objectType('kubernetes.ResourceAttributes', {
      namespace: field(stringType),
      verb: field(stringType),
      group: field(stringType),
      version: field(stringType),
      resource: field(stringType),
      subresource: field(stringType),
      name: field(stringType),
      fieldSelector: field(selectorType('kubernetes.FieldSelectorAttributes')),
      labelSelector: field(selectorType('kubernetes.LabelSelectorAttributes')),
    }),
  ),
  nonResourceAttributes: field(
    objectType('kubernetes.NonResourceAttributes', { path: field(stringType), verb: field(stringType) }),
  ),
  user: field(stringType),
  groups: field(strings),
  extra: field(mapType(stringType, strings)),
  uid: field(stringType),
});

let made: Environment | undefined;

/** What is wrong with an expression, in upstream's words. */
export function compileMatchCondition(expression: string): Program | { problem: string } {
  made ??= environment({ variables: { request: specType } });
  const { program, issues } = made.compile(expression);
  if (issues) return { problem: compilationProblem(issues) };
  if (isSameType(program.outputType, BOOL)) return program;
  return { problem: `must evaluate to bool but got ${formatType(program.outputType)}` };
}
