/** An object of a kind that has no description of its own: all its fields. Source: kubectl's generic describer. */
import type { KubeObject } from '#api/machinery/object.ts';
import { cellOf } from '../output/custom-columns.ts';
import type { DescribeContext } from './describer.ts';
import { describeEvents } from './events.ts';
import type { Report } from './report.ts';

const SHOWN_BEFORE = [
  '.metadata.managedFields',
  '.metadata.name',
  '.metadata.namespace',
  '.metadata.labels',
  '.metadata.annotations',
];

export async function describeAnyObject(report: Report, object: KubeObject, context: DescribeContext): Promise<void> {
  const { metadata } = object;
  report.field('Name', metadata.name);
  report.field('Namespace', metadata.namespace ?? '');
  report.labels('Labels', metadata.labels);
  report.annotations('Annotations', metadata.annotations);
  describeFields(report, object, { level: 0, at: '' });
  await describeEvents(report, object, context);
}

function describeFields(report: Report, object: object, { level, at }: { level: number; at: string }): void {
  for (const [field, value] of Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const path = `${at}.${field}`;
    if (SHOWN_BEFORE.includes(path)) continue;
    if (Array.isArray(value)) {
      report.line(level, `${titleOf(field)}:`);
      for (const item of value) {
        if (isMap(item)) describeFields(report, item, { level: level + 1, at: path });
        else report.line(level + 1, cellOf(item));
      }
    } else if (isMap(value)) {
      report.line(level, `${titleOf(field)}:`);
      describeFields(report, value, { level: level + 1, at: path });
    } else report.field(titleOf(field), cellOf(value), level);
  }
}

const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

const ACRONYMS = ['API', 'URL', 'UID', 'GUID'];

/** `creationTimestamp` → `Creation Timestamp`; what is no name of a field stays. */
export function titleOf(field: string): string {
  if (!/^[\p{L}-]*$/u.test(field)) return field;
  const words = field.match(/URLs|\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|-+|\p{Lu}/gu) ?? [];
  return words
    .map((word) => {
      if (ACRONYMS.includes(word.toUpperCase())) return word.toUpperCase();
      return word === word.toLowerCase() ? word.slice(0, 1).toUpperCase() + word.slice(1) : word;
    })
    .join(' ');
}
