/** ConfigMap: settings for pods, as text or bytes. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, tooLong } from '#api/machinery/field-error.ts';
import { keyed, type Path } from '#api/machinery/field-path.ts';
import { configMapKey } from '#api/machinery/names.ts';
import { byteLength } from '#api/machinery/object-meta.ts';

export type ConfigMap = schema.ConfigMap;

/** Of all values of a ConfigMap or a Secret together. */
export const MAX_DATA_BYTES = 1024 * 1024;

export const ConfigMap = defineKind<schema.ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
  shortNames: ['cm'],

  validate({ data = {}, binaryData = {} }, at) {
    const keys = [
      ...Object.keys(data).flatMap((key) => [
        ...validateKey(keyed(at.data, key), key),
        ...(Object.hasOwn(binaryData, key)
          ? [invalidValue(keyed(at.data, key), key, 'duplicate of key present in binaryData')]
          : []),
      ]),
      ...Object.keys(binaryData).flatMap((key) => validateKey(keyed(at.binaryData, key), key)),
    ];
    const bytes = sum(Object.values(data).map(byteLength)) + sum(Object.values(binaryData).map(decodedLength));
    return [...keys, ...(bytes > MAX_DATA_BYTES ? [tooLong('[]', MAX_DATA_BYTES)] : [])];
  },
  validateUpdate: ({ next, current, at }) =>
    current.immutable
      ? [
          ...frozen(at.immutable, next.immutable === true),
          ...frozen(at.data, isEqual(next.data ?? {}, current.data ?? {})),
          ...frozen(at.binaryData, isEqual(next.binaryData ?? {}, current.binaryData ?? {})),
        ]
      : [],

  columns: [
    nameColumn(),
    column(
      'Data',
      'string',
      ({ data = {}, binaryData = {} }) => Object.keys(data).length + Object.keys(binaryData).length,
    ),
    ageColumn(),
  ],
});

const validateKey = (at: Path, key: string): FieldError[] =>
  configMapKey(key).map((text) => invalidValue(at, key, text));

const frozen = (at: Path, same: boolean): FieldError[] =>
  same ? [] : [forbiddenField(at, 'field is immutable when `immutable` is set')];

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** How many bytes base64 text stands for. */
export const decodedLength = (base64: string): number =>
  Math.floor((base64.length * 3) / 4) - (base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0);
