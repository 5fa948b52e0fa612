/**
 * A MutatingAdmissionPolicy whose expressions are compiled, and what its mutations make of an object. Source: Kubernetes
 * documentation, "Mutating Admission Policy"; texts as upstream's policy/mutating/patch.
 */
import type { MutatingAdmissionPolicy } from '#api/admissionregistration/v1/mutating-admission-policy.ts';
import {
  type CompiledExpression,
  PolicyExpressions,
  RESULTS,
} from '#api/admissionregistration/v1/policy-expressions.ts';
import { facts } from '#api/generated/facts.ts';
import { typeNameErrors } from '#api/machinery/cel/patch-types.ts';
import { toJson } from '#api/machinery/cel/to-json.ts';
import { List, StructValue, type Value } from '#api/machinery/cel/value.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { fieldsOfConfiguration, mergeConfiguration } from '#api/machinery/managed-fields/applied-configuration.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { fieldShapeOf } from '../../verbs/field-versions.ts';
import type { CompiledCondition } from '../expressions/match-conditions.ts';
import { atomicParts } from './atomic-parts.ts';
import { nullProblems } from './null-problems.ts';

export interface CompiledMutation {
  conditions: readonly CompiledCondition[];
  variables: ReadonlyMap<string, CompiledExpression>;
  mutations: readonly { patchType: 'ApplyConfiguration' | 'JSONPatch'; compiled: CompiledExpression }[];
}

export function compileMutation({ spec }: MutatingAdmissionPolicy): CompiledMutation {
  const expressions = new PolicyExpressions({ composes: true, hasParams: spec.paramKind !== undefined });
  for (const { name, expression } of spec.variables ?? []) expressions.addVariable(name, expression);
  return {
    variables: expressions.variables,
    conditions: (spec.matchConditions ?? []).map(({ name, expression }) => ({
      name,
      compiled: expressions.compile(expression, RESULTS.condition),
    })),
    mutations: (spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }) => ({
      patchType,
      compiled:
        patchType === 'JSONPatch'
          ? expressions.compile(jsonPatch?.expression ?? '', RESULTS.jsonPatch, { hasPatchTypes: true })
          : expressions.compile(applyConfiguration?.expression ?? '', RESULTS.apply, { hasPatchTypes: true }),
    })),
  };
}

/** What a mutation's value makes of the object, or why it does not fit. */
export type Mutated = { object: unknown; problem?: undefined } | { object?: undefined; problem: string };

export const mutated = (
  patchType: 'ApplyConfiguration' | 'JSONPatch',
  value: Value,
  { shown, as }: { shown: KubeObject; as: Kind },
): Mutated => (patchType === 'JSONPatch' ? patched(value, shown) : applied(value, shown, as));

function patched(value: Value, shown: KubeObject): Mutated {
  const operations: object[] = [];
  const size = value instanceof List ? value.size : 0;
  for (let index = 0; index < size; index++) {
    const operation = operationOf((value as List).at(index) as Value);
    if ('problem' in operation) return operation;
    operations.push(operation.operation);
  }
  try {
    return { object: applyJsonPatch(shown as unknown as Json, operations) };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const why = typeof error.cause === 'string' ? error.cause : error.message;
    // A test that fails says that the patch is not for this object.
    return why.endsWith('test failed') ? { object: shown } : { problem: `JSON Patch: ${why}` };
  }
}

function operationOf(item: Value): { operation: object } | { problem: string } {
  if (!(item instanceof StructValue))
    return { problem: 'type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch' };
  const text = (name: string): string => {
    const field = item.fields.get(name);
    return typeof field === 'string' ? field : '';
  };
  const operation = { op: text('op'), path: text('path'), ...(text('from') && { from: text('from') }) };
  const value = item.fields.get('value');
  if (value === undefined) return { operation };
  const misnamed = typeNameErrors(value);
  if (misnamed.length > 0) return { problem: `type mismatch: ${misnamed.join('\n')}` };
  const { json, error } = toJson(value);
  if (error !== undefined)
    return { problem: `JSONPath valueExpression evaluated to a type that could not marshal to JSON: ${error}` };
  return { operation: { ...operation, value: json } };
}

/** Merged as by server-side apply, though nobody becomes the owner of a field. */
function applied(value: Value, shown: KubeObject, as: Kind): Mutated {
  const misnamed = typeNameErrors(value);
  if (misnamed.length > 0) return { problem: `type mismatch: ${misnamed.join('\n')}` };
  const { json, error } = toJson(value);
  if (error !== undefined) return { problem: `invalid return type: ${error}` };
  const configuration = (isJsonObject(json as Json) ? json : {}) as JsonObject;
  const shape = fieldShapeOf(as);
  const named = fieldsOfConfiguration(configuration, shape);
  const problems = [
    ...('problems' in named ? named.problems : []),
    ...(as.facts ? nullProblems(facts, { ref: as.facts.name }, configuration) : []),
  ];
  if (problems.length > 0)
    return {
      problem: `error applying patch: failed to convert patch object to typed object: ${problemsText(problems)}`,
    };
  const atomic = atomicParts(configuration, shape);
  if (atomic.length > 0)
    return {
      problem: `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomic.join(', ')}`,
    };
  return { object: mergeConfiguration(shown as unknown as Json, configuration, shape) };
}

/** As structured-merge-diff prints its errors. */
const problemsText = (problems: readonly string[]): string =>
  problems.length === 1 ? problems[0]! : `errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
