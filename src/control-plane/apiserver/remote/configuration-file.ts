/**
 * Configuration files of the API server, YAML or JSON with apiVersion and kind: read strictly, because a mistyped field of
 * a security setting must not pass for one that is absent.
 */
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import type { FieldError } from '#api/machinery/field-error.ts';

/** What may stand where: a list is `[shape]`, an object its fields; `object`: any. Times are Go's durations, read to ms. */
export type Shape = Scalar | 'object' | readonly [Shape] | { readonly [field: string]: Shape };

type Scalar = 'string' | 'boolean' | 'integer' | 'duration';

export interface ConfigurationType {
  group: string;
  versions: readonly string[];
  kind: string;
  fields: { readonly [field: string]: Shape };
}

/** Says what is wrong with a file, for who wrote it. */
export class ConfigurationError extends Error {
  readonly code = 'ConfigurationError';
}

const MAX_BYTES = 4 * 1024 * 1024;

/** The file's content without what is not declared; times in ms. Throws ConfigurationError. */
export function decodeConfiguration<T>(text: string, type: ConfigurationType): T {
  if (text.length > MAX_BYTES) throw new ConfigurationError(`the file is larger than ${MAX_BYTES} bytes`);
  if (text.trim() === '') throw new ConfigurationError('the file is empty');
  const parsed = parseYaml(text, { findDuplicates: true });
  if ('problem' in parsed) throw new ConfigurationError(parsed.problem);
  if (parsed.duplicates.length > 0) throw strictly(parsed.duplicates);
  const { value } = parsed;
  if (!isRecord(value)) throw new ConfigurationError('the file must hold an object');
  const { apiVersion, kind, ...fields } = value;
  const versions = type.versions.map((version) => `${type.group}/${version}`);
  if (kind !== type.kind || typeof apiVersion !== 'string' || !versions.includes(apiVersion))
    throw new ConfigurationError(
      `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}; ` +
        `the file must begin with apiVersion: ${versions[0]} and kind: ${type.kind}`,
    );
  const unknown: string[] = [];
  const decoded = decodedAt(fields, type.fields, { path: '', unknown });
  if (unknown.length > 0) throw strictly(unknown);
  return decoded as T;
}

/** All that is wrong, in upstream's form. */
export function refuseInvalid(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const texts = errors.map(({ field, message }) => `${field}: ${message}`);
  throw new ConfigurationError(texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`);
}

const strictly = (problems: readonly string[]): ConfigurationError =>
  new ConfigurationError(`strict decoding error: ${problems.join(', ')}`);

interface Place {
  path: string;
  unknown: string[];
}

const wrongType = (path: string, wanted: string): ConfigurationError =>
  new ConfigurationError(`${path || 'the file'} must be ${wanted}`);

function decodedAt(value: unknown, shape: Shape, { path, unknown }: Place): unknown {
  if (value === null || value === undefined) return undefined;
  if (shape === 'object') {
    if (!isRecord(value)) throw wrongType(path, 'an object');
    return value;
  }
  if (typeof shape === 'string') return decodedScalar(value, shape, path);
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw wrongType(path, 'a list');
    return value.map((item, index) => decodedAt(item, shape[0] as Shape, { path: `${path}[${index}]`, unknown }) ?? {});
  }
  if (!isRecord(value)) throw wrongType(path, 'an object');
  const fields: [string, unknown][] = [];
  for (const [name, part] of Object.entries(value)) {
    const at = path ? `${path}.${name}` : name;
    const known = Object.hasOwn(shape, name) ? (shape as Record<string, Shape>)[name] : undefined;
    if (!known) unknown.push(`unknown field ${JSON.stringify(at)}`);
    const read = known && decodedAt(part, known, { path: at, unknown });
    if (read !== undefined) fields.push([name, read]);
  }
  return Object.fromEntries(fields);
}

function decodedScalar(value: unknown, shape: Scalar, path: string): unknown {
  if (shape === 'duration') {
    const ms = typeof value === 'string' ? durationMs(value) : undefined;
    if (ms === undefined) throw wrongType(path, 'a time such as 3s, 500ms or 1m30s');
    return ms;
  }
  if (shape === 'integer') {
    if (!Number.isInteger(value)) throw wrongType(path, 'a whole number');
    return value;
  }
  if (typeof value !== shape) throw wrongType(path, shape === 'string' ? 'a text; put it in quotes' : 'true or false');
  return value;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** As Go's time.ParseDuration reads it; undefined for what it does not take. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const [, sign, rest = ''] = /^([-+]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (!rest) return undefined;
  let ms = 0;
  for (const [, digits, unit] of rest.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(digits) * (UNIT_MS[unit ?? ''] ?? 0);
  return sign === '-' ? -ms : ms;
}

/** As Go prints a duration: `1m30s`, `5s`, `1.5s`, `300ms`. */
export function durationText(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1000) return size === 0 ? '0s' : `${ms}ms`;
  const hours = Math.floor(size / 3_600_000);
  const minutes = Math.floor((size % 3_600_000) / 60_000);
  const seconds = (size % 60_000) / 1000;
  return `${ms < 0 ? '-' : ''}${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
