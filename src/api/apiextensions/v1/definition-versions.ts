/** The versions of a definition: which there are, what each shows and offers. Paths and texts as upstream's. */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { dns1035Label } from '#api/machinery/names.ts';

const MAX_WARNING = 256;
const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

export function validateVersions({ versions }: CustomResourceDefinitionSpec): FieldError[] {
  const names = versions.map(({ name }) => name);
  const errors = versions.flatMap((version, index) => {
    const at = `spec.versions[${index}]`;
    return [
      ...dns1035Label(version.name ?? '').map((text) => invalidValue(`${at}.name`, version.name, text)),
      ...validateDeprecation(version, `${at}.deprecationWarning`),
      ...(version.schema?.openAPIV3Schema ? [] : [requiredValue(`${at}.schema.openAPIV3Schema`)]),
    ];
  });
  return [
    ...errors,
    ...ofVersions(versions, 'subresources', ({ value, at }) => validateSubresources(value, at)),
    ...ofVersions(versions, 'additionalPrinterColumns', ({ value, at }) =>
      value.flatMap((column, index) => validateColumn(column, `${at}[${index}]`)),
    ),
    ...(new Set(names).size < names.length
      ? [invalidValue('spec.versions', names, 'must contain unique version names')]
      : []),
    ...(versions.filter(({ storage }) => storage).length === 1
      ? []
      : [invalidValue('spec.versions', names, 'must have exactly one version marked as storage version')]),
    // Upstream keeps the first version's name in a field of its own as well, and judges it there once more.
    ...(names[0] ? dns1035Label(names[0]).map((text) => invalidValue('spec.version', names[0], text)) : []),
  ];
}

/** What all versions have alike stands once, under a path of its own: so upstream sees it. */
function ofVersions<F extends 'subresources' | 'additionalPrinterColumns'>(
  versions: readonly CustomResourceDefinitionVersion[],
  field: F,
  validate: (one: { value: NonNullable<CustomResourceDefinitionVersion[F]>; at: string }) => FieldError[],
): FieldError[] {
  const [first] = versions;
  const areAlike = versions.every((version) => isEqual(version[field], first?.[field]));
  return versions.flatMap((version, index) => {
    const value = version[field];
    if (!value || (areAlike && index > 0)) return [];
    return validate({ value, at: areAlike ? `spec.${field}` : `spec.versions[${index}].${field}` });
  });
}

function validateDeprecation({ deprecated, deprecationWarning: text }: CustomResourceDefinitionVersion, at: string) {
  if (text === undefined) return [];
  if (!deprecated) return [invalidValue(at, text, 'can only be set for deprecated versions')];
  const problems: string[] = [];
  if (new TextEncoder().encode(text).length > MAX_WARNING) problems.push('must be <= 256 characters long');
  if (text === '') problems.push('must not be an empty string');
  const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(text);
  if (unprintable) {
    const bytes = new TextEncoder().encode(text.slice(0, unprintable.index)).length;
    problems.push(`must only contain printable UTF-8 characters; non-printable character found at index ${bytes}`);
  }
  return problems.map((problem) => invalidValue(at, text, problem));
}

function validateSubresources({ scale }: CustomResourceSubresources, at: string): FieldError[] {
  if (!scale) return [];
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  return [
    ...validatePath(specReplicasPath, `${at}.scale.specReplicasPath`, { under: ['.spec.'], isRequired: true }),
    ...validatePath(statusReplicasPath, `${at}.scale.statusReplicasPath`, { under: ['.status.'], isRequired: true }),
    ...validatePath(labelSelectorPath, `${at}.scale.labelSelectorPath`, { under: ['.spec.', '.status.'] }),
  ];
}

function validatePath(
  path: string | undefined,
  at: string,
  { under, isRequired }: { under: readonly string[]; isRequired?: boolean },
): FieldError[] {
  if (!path) return isRequired ? [requiredValue(at)] : [];
  const errors = validateSimplePath(path, at);
  if (errors.length > 0 || under.some((prefix) => path.startsWith(prefix))) return errors;
  const [first = '', second] = under.map((prefix) => prefix.slice(0, -1));
  const where = second ? `under either ${first} or ${second}` : `under ${first}`;
  return [invalidValue(at, path, `should be a json path ${where}`)];
}

const validateSimplePath = (path: string, at: string): FieldError[] =>
  path.startsWith('.') ? [] : [invalidValue(at, path, 'must be a simple json path starting with .')];

function validateColumn({ name, type, format, jsonPath }: CustomResourceColumnDefinition, at: string): FieldError[] {
  const types = `must be one of ${COLUMN_TYPES.join(',')}`;
  return [
    ...(name ? [] : [requiredValue(`${at}.name`)]),
    ...(type
      ? COLUMN_TYPES.includes(type)
        ? []
        : [invalidValue(`${at}.type`, type, types)]
      : [requiredValue(`${at}.type`, types)]),
    ...(format && !COLUMN_FORMATS.includes(format)
      ? [invalidValue(`${at}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`)]
      : []),
    ...(jsonPath ? validateSimplePath(jsonPath, `${at}.JSONPath`) : [requiredValue(`${at}.JSONPath`)]),
  ];
}

/** A version that objects were ever stored in stays, until somebody has seen to it that none is left. */
export function validateStoredVersions(
  stored: readonly string[],
  versions: readonly CustomResourceDefinitionVersion[],
): FieldError[] {
  const at = 'status.storedVersions';
  if (stored.length === 0) return [invalidValue(at, stored, 'must have at least one stored version')];
  const storage = versions.find((version) => version.storage)?.name;
  return [
    ...(storage && !stored.includes(storage)
      ? [invalidValue(at, stored, `must have the storage version ${storage}`)]
      : []),
    ...stored.flatMap((name, index) =>
      versions.some((version) => version.name === name)
        ? []
        : [
            invalidValue(
              `${at}[${index}]`,
              name,
              `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
            ),
          ],
    ),
  ];
}
