/** Schemas with a `spec`, and what is said of values: for tests. */
import type { JSONSchemaProps } from './schema-parts.ts';

export const spec = (schema: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', properties: { spec: schema } });
export const fields = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps =>
  spec({ type: 'object', properties, ...more });
export const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);
