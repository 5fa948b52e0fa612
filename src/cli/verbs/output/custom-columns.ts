/** `-o custom-columns=NAME:.metadata.name,…`: a table of the user's own. Source: kubectl get. */
import { VerbError } from '../verb-error.ts';
import { compactJson } from './json.ts';
import { JsonPathTemplate, relaxedPath } from './json-path-template.ts';
import { TABLE_TABS, TabWriter } from './tabs.ts';

interface Column {
  header: string;
  path: JsonPathTemplate;
}

export type CustomColumns = readonly Column[];

export function customColumns(spec: string): CustomColumns {
  if (!spec) throw new VerbError('custom-columns format specified but no custom columns given');
  return spec.split(',').map((part) => {
    const colon = part.indexOf(':');
    if (colon < 0) throw new VerbError(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    return { header: part.slice(0, colon), path: new JsonPathTemplate(relaxedPath(part.slice(colon + 1))) };
  });
}

/** A file of two lines: headers, and below them their paths. */
export function customColumnsOfFile(text: string): CustomColumns {
  const [headers = [], paths = []] = text.split('\n').map((line) => line.split(/\s+/).filter(Boolean));
  if (headers.length !== paths.length)
    throw new VerbError(`number of headers (${headers.length}) and field specifications (${paths.length}) don't match`);
  return headers.map((header, index) => ({ header, path: new JsonPathTemplate(relaxedPath(paths[index]!)) }));
}

/** The headers come first, and once. */
export class CustomColumnsPrinter {
  readonly #columns: CustomColumns;
  readonly #writer = new TabWriter(TABLE_TABS);
  #owesHeaders: boolean;

  constructor(columns: CustomColumns, hasHeaders: boolean) {
    this.#columns = columns;
    this.#owesHeaders = hasHeaders;
  }

  print(objects: readonly unknown[]): string {
    const header = this.#owesHeaders ? [this.#columns.map((column) => column.header)] : [];
    this.#owesHeaders = false;
    const rows = objects.map((object) =>
      this.#columns.map(({ path }) => {
        const found = path.find(object);
        return found.length > 0 ? found.map(cellOf).join(',') : '<none>';
      }),
    );
    const text = [...header, ...rows].map((row) => `${row.join('\t')}\n`).join('');
    return this.#writer.write(text, { remember: true });
  }
}

/** Maps and lists are printed as Go prints them. */
export function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(cellOf).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0
    ? `map[${entries.map(([key, item]) => `${key}:${cellOf(item)}`).join(' ')}]`
    : compactJson({}).replace('{}', 'map[]');
}
