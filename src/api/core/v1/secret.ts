/** Secret: settings that not everybody may read. `stringData` is written only: it ends up in `data`. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { parseJson } from '#api/machinery/codec-json.ts';
import { fromBase64, toBase64 } from '#api/machinery/base64.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue, tooLong } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { unfitValue } from '#api/machinery/json-patch-operations.ts';
import { isJsonObject, type Json } from '#api/machinery/json-value.ts';
import { configMapKey } from '#api/machinery/names.ts';
import { decodedLength, MAX_DATA_BYTES } from './config-map.ts';

export type Secret = schema.Secret;

/** Which keys a type of Secret must have. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};
const SERVICE_ACCOUNT_TOKEN = 'kubernetes.io/service-account-token';

export const Secret = defineKind<schema.Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',

  // From here on nobody sees stringData: no policy, no webhook, no account of fields.
  defaults: (secret) => ({ ...withStringDataEncoded(secret as schema.Secret), type: secret.type || 'Opaque' }),
  prepareForUpdate: (next, current) => (next.type ? next : { ...next, type: current.type }),

  validate(secret, at) {
    const data = secret.data ?? {};
    const keys = Object.keys(data).flatMap((key) =>
      configMapKey(key).map((text) => invalidValue(keyed(at.data, key), key, text)),
    );
    const bytes = Object.values(data).reduce((sum, value) => sum + decodedLength(value), 0);
    const size = bytes > MAX_DATA_BYTES ? [tooLong(at.data, MAX_DATA_BYTES)] : [];
    return [...keys, ...size, ...validateType(secret, at)];
  },
  validateUpdate: ({ next, current, at }) => [
    ...isImmutable(at.type, next.type, current.type),
    ...(current.immutable && next.immutable !== true
      ? [forbiddenField(at.immutable, 'field is immutable when `immutable` is set')]
      : []),
    ...(current.immutable && !isEqual(next.data ?? {}, current.data ?? {})
      ? [forbiddenField(at.data, 'field is immutable when `immutable` is set')]
      : []),
  ],

  columns: [
    nameColumn(),
    column('Type', 'string', ({ type }) => type),
    column('Data', 'string', ({ data = {} }) => Object.keys(data).length),
    ageColumn(),
  ],
  selectableFields: { type: ({ type }) => type },
});

function withStringDataEncoded({ stringData, ...secret }: schema.Secret): schema.Secret {
  if (!stringData) return secret;
  const encoded = Object.entries(stringData).map(
    ([key, text]) => [key, toBase64(new TextEncoder().encode(text))] as const,
  );
  return encoded.length > 0 ? { ...secret, data: { ...secret.data, ...Object.fromEntries(encoded) } } : secret;
}

function validateType({ type, metadata, data = {} }: schema.Secret, at: At<schema.Secret>): FieldError[] {
  if (type === SERVICE_ACCOUNT_TOKEN) {
    const account = metadata.annotations?.['kubernetes.io/service-account.name'];
    const annotation = keyed(at.metadata.annotations, 'kubernetes.io/service-account.name');
    return account ? [] : [requiredValue(annotation)];
  }
  if (type === 'kubernetes.io/basic-auth') {
    const given = Object.hasOwn(data, 'username') || Object.hasOwn(data, 'password');
    return given ? [] : [requiredValue(keyed(at.data, 'username')), requiredValue(keyed(at.data, 'password'))];
  }
  return (REQUIRED_KEYS[type] ?? []).flatMap((key) => {
    const here = keyed(at.data, key);
    const isMissing = type === 'kubernetes.io/ssh-auth' ? !data[key] : !Object.hasOwn(data, key);
    if (isMissing) return [requiredValue(here)];
    return key.startsWith('.docker') ? validateDockerConfig(data[key] ?? '', here) : [];
  });
}

/** What is in it nobody is shown. */
function validateDockerConfig(encoded: string, at: At<string>): FieldError[] {
  const bytes = fromBase64(encoded);
  const parsed = parseJson(bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : '');
  const problem = 'problem' in parsed ? parsed.problem : problemOfMap(parsed.value as Json);
  return problem === undefined ? [] : [invalidValue(at, '<secret contents redacted>', problem)];
}

const problemOfMap = (value: Json): string | undefined =>
  value === null || isJsonObject(value) ? undefined : unfitValue(value, 'Go value of type map[string]interface {}');
