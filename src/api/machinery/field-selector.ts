/** Which fields are meant: `status.phase=Running,spec.nodeName!=`. `\` escapes `,`, `=` and itself in a value. */
import type { Parsed } from './label-selector.ts';

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/** All must hold. */
export type FieldSelector = readonly FieldRequirement[];

const MAX_LENGTH = 1 << 16;

export function parseFieldSelector(text: string): Parsed<FieldSelector> {
  if (text.length > MAX_LENGTH) return { ok: false, error: 'field selector is too long' };
  const requirements: FieldRequirement[] = [];
  for (const part of splitUnescaped(text)) {
    if (part === '') continue;
    const match = /^((?:[^\\=!]|\\.)+?)(!=|==|=)(.*)$/s.exec(part);
    const value = match && withoutEscapes(match[3] ?? '');
    if (!match || value === undefined || value === null)
      return { ok: false, error: `invalid selector: '${text}'; can't understand '${part}'` };
    requirements.push({ field: match[1] ?? '', operator: match[2] === '!=' ? '!=' : '=', value });
  }
  return { ok: true, value: requirements };
}

/** `fieldOf` gives the value of a field; undefined for a field that nobody can select by. */
export const matchesFields = (selector: FieldSelector, fieldOf: (field: string) => string | undefined): boolean =>
  selector.every(({ field, operator, value }) => (fieldOf(field) === value) === (operator === '='));

export const formatFieldSelector = (selector: FieldSelector): string =>
  selector.map(({ field, operator, value }) => `${field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`).join(',');

function splitUnescaped(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === ',') {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** undefined when an escape is unknown or an `=` stands bare. */
function withoutEscapes(text: string): string | undefined {
  let plain = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '=') return undefined;
    if (text[i] === '\\') {
      i += 1;
      if (!/^[\\,=]$/.test(text[i] ?? '')) return undefined;
    }
    plain += text[i];
  }
  return plain;
}
