/** Writes the compact table that `src/api/machinery/facts-table.ts` reads; the form is described there. */
import type { FieldFacts, TypeRef } from '#api/machinery/facts.ts';
import { SCALAR_LETTERS } from '#api/machinery/facts-table.ts';
import { type DeclaredType, GROUP_OF_PACKAGE } from './api-types.ts';

const LETTERS = new Map(Object.entries(SCALAR_LETTERS).map(([letter, scalar]) => [scalar, letter]));

/** The source text of `src/api/generated/facts.ts`. */
export function factsSource(types: readonly DeclaredType[]): string {
  const lines = types.map((type) => `    '${type.name}': '${typeLine(type)}',`);
  const groups = Object.entries(GROUP_OF_PACKAGE).map(([name, group]) => `    '${name}': '${group}',`);
  return `/** Made by \`npm run update:schema\`. Never edited. The form is described in machinery/facts-table.ts. */
import type { Facts } from '#api/machinery/facts.ts';
import { factsFromTable } from '#api/machinery/facts-table.ts';

/** The types of the API of Kubernetes v1.36. */
export const facts: Facts = factsFromTable({
  groups: {
${groups.join('\n')}
  },
  types: {
${lines.join('\n')}
  },
});
`;
}

function typeLine({ name, fields, atomic, union }: DeclaredType): string {
  const ownPackage = name.slice(0, name.lastIndexOf('.'));
  const head = atomic ? '@' : union ? `|${union};` : '';
  return head + fields.map((field) => fieldText(field, ownPackage)).join(';');
}

function fieldText(field: FieldFacts, ownPackage: string): string {
  const flags = `${field.pointer ? 'p' : ''}${field.omitEmpty ? 'o' : ''}${field.inline ? 'i' : ''}${field.required ? 'r' : ''}`;
  const parts = [field.name, typeText(field.type, ownPackage), String(field.number), flags];
  if (field.enum) parts.push(`e=${field.enum.join('|')}`);
  if (field.listType) parts.push(`l=${[field.listType[0], ...(field.listMapKeys ?? [])].join(':')}`);
  if (field.mapType) parts.push(`m=${field.mapType[0]}`);
  if (field.patchStrategy) parts.push(`s=${field.patchStrategy.join(':')}`);
  if (field.patchMergeKey) parts.push(`k=${field.patchMergeKey}`);
  const spoilt = parts.find((part) => /[,;'\\\n]/.test(part));
  if (spoilt !== undefined) throw new Error(`${ownPackage}: ${spoilt} holds a character that the table uses itself`);
  return parts.join(',');
}

function typeText(type: TypeRef, ownPackage: string): string {
  if ('scalar' in type) return LETTERS.get(type.scalar)!;
  if ('list' in type) return `${type.named ? '~' : '[]'}${typeText(type.list, ownPackage)}`;
  if ('map' in type) return `{}${typeText(type.map, ownPackage)}`;
  return type.ref.startsWith(`${ownPackage}.`) ? type.ref.slice(ownPackage.length + 1) : type.ref;
}
