/** What `describe` prints, as it grows: labels, a tab, values; columns are aligned at the end. Source: kubectl describe. */
import { aligned, DESCRIBE_TABS } from '../output/tabs.ts';

/** Longer annotations get lines of their own, and are cut there. */
const LONGEST_ANNOTATION = 140;
const HIDDEN_ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration';

export class Report {
  #sections = [''];

  /** Text at a level of indentation; the caller ends its lines. */
  write(level: number, text: string): void {
    this.#sections[this.#sections.length - 1] += '  '.repeat(level) + text;
  }

  line(level: number, text: string): void {
    this.write(level, `${text}\n`);
  }

  /** `Label:` and its value. */
  field(label: string, value: unknown, level = 0): void {
    this.line(level, `${label}:\t${value}`);
  }

  /** The same, unless there is none. */
  fieldIf(label: string, value: unknown, level = 0): void {
    if (value !== undefined && value !== null && value !== '') this.field(label, value, level);
  }

  /** What comes has columns of its own. */
  break(): void {
    this.#sections.push('');
  }

  /** One value a line behind the label. */
  values(title: string, values: readonly string[], indent = ''): void {
    this.write(0, `${indent}${title}:\t`);
    if (values.length === 0) {
      this.line(0, '<none>');
      return;
    }
    for (const [index, value] of values.entries()) this.line(0, `${index > 0 ? `${indent}\t` : ''}${value}`);
  }

  labels(title: string, labels: Readonly<Record<string, string>> | undefined, indent = ''): void {
    this.values(
      title,
      sortedEntries(labels).map(([key, value]) => `${key}=${value}`),
      indent,
    );
  }

  annotations(title: string, annotations: Readonly<Record<string, string>> | undefined): void {
    const shown = sortedEntries(annotations).filter(([key]) => key !== HIDDEN_ANNOTATION);
    this.write(0, `${title}:\t`);
    if (shown.length === 0) {
      this.line(0, '<none>');
      return;
    }
    for (const [index, [key, text]] of shown.entries()) this.#annotation(`${index > 0 ? '\t' : ''}${key}:`, text);
  }

  #annotation(start: string, text: string): void {
    const value = text.replace(/\n$/, '');
    const length = Buffer.byteLength(start.trimStart()) + 1 + Buffer.byteLength(value);
    if (length <= LONGEST_ANNOTATION && !value.includes('\n')) {
      this.line(0, `${start} ${value}`);
      return;
    }
    this.line(0, start);
    for (const part of value.split('\n')) this.line(0, `\t  ${shortened(part, LONGEST_ANNOTATION - 2)}`);
  }

  /** A table below a title, indented by one step. */
  table(
    title: string,
    headers: readonly string[],
    rows: readonly (readonly unknown[])[],
    rules?: readonly string[],
  ): void {
    if (title) this.line(0, `${title}:`);
    this.line(1, headers.join('\t'));
    this.line(1, (rules ?? headers.map((header) => '-'.repeat(header.length))).join('\t'));
    for (const row of rows) this.line(1, row.join('\t'));
  }

  conditions(conditions: readonly { type: string; status: string; reason?: string }[] | undefined): void {
    if (!conditions?.length) return;
    this.table(
      'Conditions',
      ['Type', 'Status', 'Reason'],
      conditions.map(({ type, status, reason = '' }) => [`${type} `, status, reason]),
    );
  }

  /** Not aligned. */
  get raw(): string {
    return this.#sections.join('');
  }

  toString(): string {
    return this.#sections.map((section) => aligned(section, DESCRIBE_TABS)).join('');
  }
}

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most)}...` : text);

export const sortedEntries = <T>(map: Readonly<Record<string, T>> | undefined): [string, T][] =>
  Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value: number): string => String(value).padStart(2, '0');

/** `Mon, 02 Jan 2006 15:04:05 -0700`, in the zone of the machine; Go's zero time when there is none. */
export function formatTime(timestamp: string | undefined | null): string {
  if (!timestamp) return 'Mon, 01 Jan 0001 00:00:00 +0000';
  const at = new Date(timestamp);
  const offset = -at.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${DAYS[at.getDay()]}, ${two(at.getDate())} ${MONTHS[at.getMonth()]} ${at.getFullYear()}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
}

/** `2006-01-02 15:04:05 -0700 MST`, as Go prints a time that nobody gave a form. */
export function formatGoTime(timestamp: string | undefined | null): string {
  if (!timestamp) return '0001-01-01 00:00:00 +0000 UTC';
  const at = new Date(timestamp);
  const [, , , , , zone = ''] = formatTime(timestamp).split(' ');
  const name = zone === '+0000' ? 'UTC' : (/\(([A-Z]+)\)/.exec(String(at))?.[1] ?? zone);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone} ${name}`;
}

export const orNone = (text: string | undefined): string => text || '<none>';
export const orUnset = (value: unknown): string => (value === undefined || value === null ? '<unset>' : String(value));
/** Go's way of printing a boolean that may be absent. */
export const boolOrUnset = (value: boolean | undefined): string =>
  value === undefined ? '<unset>' : value ? 'True' : 'False';
/** `[a b]`. */
export const goList = (items: readonly string[] | undefined): string => `[${(items ?? []).join(' ')}]`;
