/**
 * The official cases of the language (cel.expr.conformance, as packaged by @bufbuild/cel-spec), with what Kubernetes does not
 * have left out by name.
 */
import { tests } from '@bufbuild/cel-spec/testdata/conformance.js';
import { expect, test } from 'vitest';
import { fromBase64 } from '../base64.ts';
import * as cel from './cel-type.ts';
import { type DeclaredType, dynType } from './declared-type.ts';
import { parseDuration } from './duration.ts';
import { environment } from './environment.ts';
import { NativeMap } from './evaluate/native-map.ts';
import { wholeOf } from './int64.ts';
import { formatIssues } from './issue.ts';
import { bindings } from './libraries/bindings.ts';
import { kubernetesLibraries } from './libraries/kubernetes-libraries.ts';
import { type FunctionDeclaration, overload } from './library.ts';
import { equals } from './operations/equality.ts';
import { parseTimestamp } from './timestamp.ts';
import { Double, List, MapLike, TypeValue, typeOfValue, Uint, type Value } from './value.ts';

/** Whole suites that Kubernetes does not use. */
const SUITES: Readonly<Record<string, string>> = {
  proto2: 'protobuf messages',
  proto2_ext: 'protobuf messages',
  proto3: 'protobuf messages',
  enums: 'protobuf enums',
  wrappers: 'protobuf wrapper messages',
  dynamic: 'protobuf Any, Value, Struct and wrappers',
  block_ext: 'cel.block, made by optimisers',
  encoders_ext: 'the base64 library is not enabled',
  math_ext: 'the math library is not enabled',
};

/** Parts of suites. */
const SECTIONS: Readonly<Record<string, string>> = {
  'string_ext/reverse': 'version 3 of the string library; Kubernetes has version 2',
};

/** Cases that speak of messages wherever they stand. */
const MESSAGES =
  /TestAllTypes|NestedTestAllTypes|google\.protobuf\.(?!Timestamp\b|Duration\b)|GlobalEnum|NestedEnum|proto[23]/;

const VERSION_4 = 'version 4 of the string library; Kubernetes has version 2';
const LATER = 'cel-go 0.26, which v1.36 has, does not refuse an index behind the end';

/** Single cases, in which the cel-go of v1.36 itself differs from the language's definition, or that are of later versions. */
const CASES: Readonly<Record<string, string>> = {
  'fields/qualified_identifier_resolution/map_value_repeat_key': 'cel-go takes the last of equal keys',
  'fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous': 'cel-go takes the last of equal keys',
  'fields/qualified_identifier_resolution/map_key_float': 'cel-go has doubles as keys',
  'fields/qualified_identifier_resolution/map_key_null': 'cel-go has null as a key',
  'optionals/optionals/map_null_entry_no_such_key': 'cel-go takes a field of null for one that is not there',
  'optionals/optionals/map_present_key_invalid_field': 'cel-go takes a field of a number for one that is not there',
  'timestamps/duration_converters/get_milliseconds': 'cel-go gives the whole duration',
  'type_deductions/legacy_nullable_types/null_assignable_to_abstract_parameter_candidate': 'cel-go deduces null',
  'string_ext/value_errors/indexof_out_of_range': LATER,
  'string_ext/value_errors/lastindexof_out_of_range': LATER,
  ...Object.fromEntries(
    [
      'scientific notation formatting clause',
      'default precision for scientific notation',
      'NaN support for scientific notation',
      'positive infinity support for scientific notation',
      'negative infinity support for scientific notation',
      'NaN support for decimal',
      'positive infinity support for decimal',
      'negative infinity support for decimal',
      'positive infinity support for fixed-point',
      'negative infinity support for fixed-point',
      'list support for string',
      'map support for string',
      'map support (all key types)',
      'dyntype support for scientific notation',
      'dyntype NaN/infinity support',
      'dyntype support for lists',
      'dyntype support for maps',
      'scientific notation formatting clause in a string variable',
    ].map((name) => [`string_ext/format/${name}`, VERSION_4]),
  ),
};

/** Cases that run unchecked what the checker refuses; nothing unchecked is run here, as in Kubernetes. */
const UNCHECKED: ReadonlySet<string> = new Set([
  'basic/variables/unbound_is_runtime_error',
  'basic/functions/unbound_is_runtime_error',
  'comparisons/eq_literal/not_eq_list_length',
  'comparisons/eq_literal/eq_mixed_types',
  'comparisons/eq_literal/eq_list_elem_mixed_types',
  'comparisons/ne_literal/ne_mixed_types',
  'logic/conditional/mixed_type',
  'logic/AND/short_circuit_type_left',
  'logic/AND/short_circuit_type_right',
  'logic/OR/short_circuit_type_left',
  'logic/OR/short_circuit_type_right',
  ...'as break const continue else for function if import let loop package namespace return var void while'
    .split(' ')
    .map((word) => `parse/receiver_function_names/${word}`),
]);

interface Case {
  name: string;
  path: string;
  original: Record<string, unknown> & { expr: string };
}

interface Suite {
  name: string;
  suites?: Suite[];
  tests?: { original: { name?: string; expr: string } }[];
}

function* casesOf(suite: Suite, path = ''): Generator<Case> {
  for (const { original } of suite.tests ?? [])
    yield { name: original.name ?? original.expr, path, original: original as Case['original'] };
  for (const inner of suite.suites ?? []) yield* casesOf(inner, path ? `${path}/${inner.name}` : inner.name);
}

function whyNot({ name, path, original }: Case): string | undefined {
  const [suite = ''] = path.split('/');
  const message = MESSAGES.test(JSON.stringify({ ...original, container: '' })) ? 'protobuf messages' : undefined;
  const unchecked = UNCHECKED.has(`${path}/${name}`) ? 'unchecked' : undefined;
  return SUITES[suite] ?? SECTIONS[path] ?? CASES[`${path}/${name}`] ?? unchecked ?? message;
}

/** A type as the cases write it. */
function typeOf(type: Record<string, unknown>): cel.CelType {
  const list = type['listType'] as { elemType: Record<string, unknown> } | undefined;
  const map = type['mapType'] as { keyType: Record<string, unknown>; valueType: Record<string, unknown> } | undefined;
  const named = type['abstractType'] as { name: string; parameterTypes?: Record<string, unknown>[] } | undefined;
  if (list) return cel.listOf(list.elemType ? typeOf(list.elemType) : cel.DYN);
  if (map) return cel.mapOf(typeOf(map.keyType), typeOf(map.valueType));
  if (named) return cel.opaqueNamed(named.name, ...(named.parameterTypes ?? []).map(typeOf));
  if ('type' in type) return cel.typeOf(typeOf((type['type'] ?? {}) as Record<string, unknown>));
  if ('typeParam' in type) return cel.paramNamed(String(type['typeParam']));
  const word = String(type['primitive'] ?? type['wellKnown'] ?? (('null' in type && 'NULL') || 'DYN'));
  return TYPES[word] ?? cel.DYN;
}

const TYPES: Readonly<Record<string, cel.CelType>> = {
  BOOL: cel.BOOL,
  INT64: cel.INT,
  UINT64: cel.UINT,
  DOUBLE: cel.DOUBLE,
  STRING: cel.STRING,
  BYTES: cel.BYTES,
  NULL: cel.NULL,
  TIMESTAMP: cel.TIMESTAMP,
  DURATION: cel.DURATION,
};

type Json = Record<string, unknown>;

/** A value as the cases write it. */
function valueFrom(json: Json): Value {
  const [[kind, value] = ['nullValue', null]] = Object.entries(json);
  switch (kind) {
    case 'int64Value':
      return wholeOf(BigInt(value as string));
    case 'uint64Value':
      return new Uint(wholeOf(BigInt(value as string)));
    case 'doubleValue':
      return new Double(Number(value));
    case 'bytesValue':
      return fromBase64(value as string) as Uint8Array;
    case 'listValue':
      return new List((((value as Json)['values'] ?? []) as Json[]).map(valueFrom));
    case 'mapValue':
      return mapOf(((value as Json)['entries'] ?? []) as { key: Json; value: Json }[]);
    case 'typeValue':
      return new TypeValue(cel.objectNamed(value as string));
    case 'objectValue':
      return messageOf(value as Json);
    default:
      return value as Value;
  }
}

function mapOf(entries: readonly { key: Json; value: Json }[]): Value {
  const map = new NativeMap();
  for (const { key, value } of entries) map.set(valueFrom(key), valueFrom(value));
  return map;
}

function messageOf(message: Json): Value {
  const text = String(message['value']);
  const made = String(message['@type']).endsWith('Duration') ? parseDuration(text) : parseTimestamp(text);
  return made ?? null;
}

/** Of the same type, too; one NaN is as good as another. */
function isSame(a: Value, b: Value): boolean {
  if (a instanceof Double && b instanceof Double && Number.isNaN(a.value)) return Number.isNaN(b.value);
  if (a instanceof TypeValue && b instanceof TypeValue) return a.of.name === b.of.name;
  if (a instanceof List && b instanceof List)
    return (
      a.size === b.size &&
      Array.from({ length: a.size }, (_, i) => i).every((i) => isSame(a.at(i) as Value, b.at(i) as Value))
    );
  if (a instanceof MapLike && b instanceof MapLike)
    return a.size === b.size && a.keys().every((key) => isSame(a.find(key) as Value, (b.find(key) ?? null) as Value));
  return typeOfValue(a).kind === typeOfValue(b).kind && equals(a, b) === true;
}

interface Declared {
  name: string;
  ident?: { type: Json };
  function?: { overloads: { overloadId: string; params?: Json[]; resultType: Json }[] };
}

const overloadOf = ({ overloadId, params = [], resultType }: NonNullable<Declared['function']>['overloads'][number]) =>
  overload(overloadId, params.map(typeOf), typeOf(resultType));

function environmentOf({ typeEnv = [], container = '' }: Json) {
  const variables: Record<string, DeclaredType> = {};
  const functions: FunctionDeclaration[] = [];
  for (const { name, ident, function: declared } of typeEnv as Declared[]) {
    if (ident) variables[name] = { ...dynType, type: typeOf(ident.type) };
    else functions.push({ name, overloads: (declared?.overloads ?? []).map(overloadOf) });
  }
  return environment({
    variables,
    container: container as string,
    libraries: [...kubernetesLibraries, bindings, { name: 'of the case', functions }],
    syntax: { quotedNames: true, uncheckedLiterals: true },
  });
}

/** Why the case fails; undefined when it passes. */
function failureOf({ original }: Case): string | undefined {
  const { program, issues } = environmentOf(original).compile(original.expr);
  const expectsError = 'evalError' in original;
  // Unchecked expressions are not run here: what the checker refuses would be an error.
  if (issues) return expectsError && original['disableCheck'] ? undefined : formatIssues(issues);
  const typed = original['typedResult'] as { deducedType?: Json; result?: Json } | undefined;
  const type = typed?.deducedType;
  if (type && !cel.isSameType(typeOf(type), program.outputType)) return `of type ${cel.formatType(program.outputType)}`;
  if (original['checkOnly']) return undefined;
  const activation = Object.fromEntries(
    Object.entries((original['bindings'] ?? {}) as Record<string, { value: Json }>).map(([name, { value }]) => [
      name,
      valueFrom(value),
    ]),
  );
  const outcome = program.evaluate(activation, { costLimit: 10_000_000 });
  if (outcome.error !== undefined) return expectsError ? undefined : outcome.error;
  if (expectsError) return 'no error';
  const expected = valueFrom((typed?.result ?? original['value'] ?? { boolValue: true }) as Json);
  return isSame(outcome.value, expected) ? undefined : `not ${JSON.stringify(typed?.result ?? original['value'])}`;
}

const all = [...casesOf(tests as Suite)];
const used = all.filter((each) => whyNot(each) === undefined);

test('the official cases of what Kubernetes has of the language pass', () => {
  const failures = used.flatMap((each) => {
    const why = failureOf(each);
    return why === undefined ? [] : [`${each.path}/${each.name}: ${each.original.expr}: ${why}`];
  });
  expect(failures).toEqual([]);
});

test('1367 of the 2344 official cases are used; the others are left out by name', () => {
  expect(all.length).toBe(2344);
  expect(used.length).toBe(1367);
});
