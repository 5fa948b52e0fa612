/** The schemas of a definition's versions, and what is wrong with them. */
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import { validateSchema } from '#api/machinery/structural-schema/definition-rules.ts';
import { isKnownFormat } from '#api/machinery/structural-schema/formats.ts';
import { schemasInside } from '#api/machinery/structural-schema/schema-parts.ts';
import { structuralErrors } from '#api/machinery/structural-schema/structural-rules.ts';

interface NamedSchema {
  /** As upstream calls it: one schema that all versions share has a path of its own. */
  path: string;
  schema: JSONSchemaProps;
  /** The status is a subresource. */
  hasStatus: boolean;
}

function schemasOf({ versions }: CustomResourceDefinitionSpec): NamedSchema[] {
  const [first, ...others] = versions;
  const schema = first?.schema?.openAPIV3Schema;
  if (schema && others.every((version) => isEqual(version.schema?.openAPIV3Schema, schema)))
    return [{ path: 'spec.validation.openAPIV3Schema', schema, hasStatus: versions.some(hasStatus) }];
  return versions.flatMap((version, index) =>
    version.schema?.openAPIV3Schema
      ? [
          {
            path: `spec.versions[${index}].schema.openAPIV3Schema`,
            schema: version.schema.openAPIV3Schema,
            hasStatus: hasStatus(version),
          },
        ]
      : [],
  );
}

const hasStatus = ({ subresources }: CustomResourceDefinitionVersion): boolean => subresources?.status !== undefined;

/** `current` is what stands there before an update: a schema that it has already is not judged again. */
export function validateSchemas(
  spec: CustomResourceDefinitionSpec,
  current?: CustomResourceDefinitionSpec,
): FieldError[] {
  const before = current ? schemasOf(current) : [];
  return schemasOf(spec)
    .filter((one) => !before.some((old) => old.hasStatus === one.hasStatus && isEqual(old.schema, one.schema)))
    .flatMap(({ schema, path, hasStatus: isApart }) => validateSchema(schema, path, { hasStatus: isApart }));
}

/** Only one that was stored before schemas were judged has any. Each version has a path of its own here. */
export const structuralViolations = ({ spec }: CustomResourceDefinition): FieldError[] => [
  ...(spec.preserveUnknownFields ? [invalidValue('spec.preserveUnknownFields', true, 'must be false')] : []),
  ...spec.versions.flatMap(({ schema }, index) =>
    schema?.openAPIV3Schema
      ? structuralErrors(schema.openAPIV3Schema, `spec.versions[${index}].schema.openAPIV3Schema`)
      : [],
  ),
];

/** Formats that check nothing, for nobody knows them or not of that type; each once. */
export const unknownFormats = ({ versions }: CustomResourceDefinitionSpec): string[] => [
  ...new Set(
    versions
      .flatMap(({ schema }) => (schema?.openAPIV3Schema ? schemasInside(schema.openAPIV3Schema) : []))
      .flatMap(({ format, type }) => (format && !isKnownFormat(format, type) ? [format] : [])),
  ),
];
