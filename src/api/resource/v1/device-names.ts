/** Names that claims, classes and slices of devices have in common. Source: API reference, resource.k8s.io/v1; texts as upstream. */

import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  requiredValue,
  tooLong,
  tooMany,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { cIdentifier, dns1123Subdomain, qualifiedName } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

const MAX_POOL_NAME = 253;
const MAX_ID = 32;
const MAX_BINDING_CONDITIONS = 4;

/** Too long a list is told alone: nobody wants to read of all its parts. */
export function validateList<T>(
  items: readonly T[] = [],
  at: At<T[]>,
  rules: { max?: number; item: (item: T, at: At<NonNullable<T>>) => FieldError[]; keyOf?: (item: T) => string },
): FieldError[] {
  const { max = Number.POSITIVE_INFINITY, item: rule, keyOf } = rules;
  if (items.length > max) return [tooMany(at, items.length, max)];
  const errors = items.flatMap((item, index) => rule(item, at[index]! as At<NonNullable<T>>));
  if (!keyOf) return errors;
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (seen.has(key)) errors.push(duplicateValue(at[index]!, key));
    seen.add(key);
  }
  return errors;
}

/** Subdomains between slashes. */
export function validatePoolName(name: string, at: Path): FieldError[] {
  if (!name) return [requiredValue(at)];
  return [
    ...(name.length > MAX_POOL_NAME ? [tooLong(at, MAX_POOL_NAME)] : []),
    ...name.split('/').flatMap((part) => follows(at, part, dns1123Subdomain)),
  ];
}

/** `model`, or `driver.example.com/model`. More slashes are let through, as upstream lets them. */
export function validateQualifiedName(name: string, at: Path): FieldError[] {
  const [first = '', second, ...more] = name.split('/');
  if (second === undefined) return validateIdentifier(first, at);
  if (more.length > 0) return [];
  return [
    ...(first ? validateDriverName(first, at) : [invalidValue(at, '', 'the domain must not be empty')]),
    ...(second ? validateIdentifier(second, at) : [invalidValue(at, '', 'the name must not be empty')]),
  ];
}

export const validateFullyQualifiedName = (name: string, at: Path): FieldError[] => [
  ...validateQualifiedName(name, at),
  ...(name.includes('/')
    ? []
    : [invalidValue(at, name, 'a fully qualified name must be a domain and a name separated by a slash')]),
];

const validateIdentifier = (id: string, at: Path): FieldError[] => [
  ...(id.length > MAX_ID ? [tooLong(at, MAX_ID)] : []),
  ...follows(at, id, cIdentifier),
];

interface Bound {
  bindingConditions?: string[];
  bindingFailureConditions?: string[];
}

/** What must be, and must not be, before a pod is bound: both or none, and none in both. */
export function validateBindingConditions(bound: Bound, at: At<Bound>): FieldError[] {
  const { bindingConditions: good = [], bindingFailureConditions: bad = [] } = bound;
  const names = (list: string[], here: At<string[]>) =>
    validateList(list, here, {
      max: MAX_BINDING_CONDITIONS,
      item: (name, place) => follows(place, name, qualifiedName),
    });
  const twice = (list: string[], here: At<string[]>) =>
    [...repeatedIn(list)].map((index) => duplicateValue(here[index]!, list[index]!));
  const repeatedBad = repeatedIn(bad);
  const isGood = new Set(good);
  const errors = [
    ...names(good, at.bindingConditions),
    ...names(bad, at.bindingFailureConditions),
    ...twice(good, at.bindingConditions),
    ...bad.flatMap((name, index) => [
      ...(repeatedBad.has(index) ? [duplicateValue(at.bindingFailureConditions[index]!, name)] : []),
      ...(isGood.has(name)
        ? [
            invalidValue(
              at.bindingFailureConditions[index]!,
              name,
              'bindingFailureConditions must not overlap with bindingConditions',
            ),
          ]
        : []),
    ]),
  ];
  if (good.length === 0 && bad.length > 0)
    errors.push(
      invalidValue(
        at.bindingConditions,
        bound.bindingConditions ?? null,
        'bindingConditions are required to use bindingFailureConditions',
      ),
    );
  if (bad.length === 0 && good.length > 0)
    errors.push(
      invalidValue(
        at.bindingFailureConditions,
        bound.bindingFailureConditions ?? null,
        'bindingFailureConditions are required to use bindingConditions',
      ),
    );
  return errors;
}
