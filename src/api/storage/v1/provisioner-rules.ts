/** What classes of storage say to the driver that makes it. Source: API reference, storage.k8s.io/v1. */
import { type FieldError, invalidValue, requiredValue, tooLong } from '#api/machinery/field-error.ts';
import type { Path } from '#api/machinery/field-path.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { byteLength } from '#api/machinery/object-meta.ts';

const MAX_PARAMETERS = 512;
const MAX_PARAMETER_BYTES = 256 * 1024;

/** The complaint shows the name in small letters, as upstream's does. */
export const validateProvisioner = (name: string | undefined, at: Path): FieldError[] =>
  name
    ? qualifiedName(name.toLowerCase()).map((text) => invalidValue(at, name.toLowerCase(), text))
    : [requiredValue(at)];

export function validateParameters(parameters: Readonly<Record<string, string>>, at: Path): FieldError[] {
  const entries = Object.entries(parameters);
  // Upstream counts parameters and says bytes.
  if (entries.length > MAX_PARAMETERS) return [tooLong(at, MAX_PARAMETERS)];
  const bytes = entries.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0);
  return [
    ...entries.flatMap(([key]) => (key === '' ? [invalidValue(at, key, 'field can not be empty.')] : [])),
    ...(bytes > MAX_PARAMETER_BYTES ? [tooLong(at, MAX_PARAMETER_BYTES)] : []),
  ];
}
