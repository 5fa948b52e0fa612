/** A server's Table, as `kubectl get` prints it. Source: cli-runtime, table printer. */

import { formatLabels } from '#api/machinery/label-selector.ts';
import type { Table, TableColumn, TableRow } from '#api/machinery/table.ts';
import { cellOf } from './custom-columns.ts';
import { TABLE_TABS, TabWriter } from './tabs.ts';

export interface TableOptions {
  isWide: boolean;
  hasHeaders: boolean;
  hasNamespace: boolean;
  /** In front of every name: `pod`, `deployment.apps`. */
  kind?: string;
  labelColumns: readonly string[];
  hasLabels: boolean;
}

interface RowObject {
  metadata?: { namespace?: string; labels?: Record<string, string> };
}

/** Prints tables of one kind one below the other; the first has the headers. */
export class TablePrinter {
  readonly #options: TableOptions;
  readonly #writer = new TabWriter(TABLE_TABS);
  #columns: readonly TableColumn[] = [];
  #hasPrintedHeaders = false;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** `event`: of a watch, as a first column. */
  print(table: Table, event?: string): string {
    const told = table.columnDefinitions ?? [];
    if (told.length > 0 && JSON.stringify(told) !== JSON.stringify(this.#columns)) {
      this.#columns = told;
      this.#hasPrintedHeaders = false;
    }
    const rows = table.rows ?? [];
    if (rows.length === 0) return '';
    const { hasHeaders } = this.#options;
    const lines = rows.map((row) => this.#cells(row, event));
    if (hasHeaders && !this.#hasPrintedHeaders) lines.unshift(this.#headers(event !== undefined));
    this.#hasPrintedHeaders = true;
    return this.#writer.write(lines.map((line) => `${line.join('\t')}\n`).join(''), { remember: true });
  }

  #headers(hasEvent: boolean): string[] {
    const { hasNamespace, labelColumns, hasLabels } = this.#options;
    return [
      ...(hasEvent ? ['EVENT'] : []),
      ...(hasNamespace ? ['NAMESPACE'] : []),
      ...this.#shown().map(([column]) => column.name.toUpperCase()),
      ...labelColumns.map((label) => label.slice(label.lastIndexOf('/') + 1).toUpperCase()),
      ...(hasLabels ? ['LABELS'] : []),
    ];
  }

  #cells(row: TableRow, event: string | undefined): string[] {
    const { hasNamespace, labelColumns, hasLabels, kind } = this.#options;
    const { metadata = {} } = (row.object ?? {}) as RowObject;
    // Others may be named in a row too: the first is the object's own.
    const own = this.#columns.find(({ format, type }) => format === 'name' && type === 'string');
    const named = (column: TableColumn, text: string) => (kind && column === own ? `${kind}/${text}` : text);
    return [
      ...(event === undefined ? [] : [event.padEnd(8)]),
      ...(hasNamespace ? [metadata.namespace ?? ''] : []),
      ...this.#shown().map(([column, index]) => named(column, onOneLine(row.cells[index]))),
      ...labelColumns.map((label) => metadata.labels?.[label] ?? ''),
      ...(hasLabels ? [formatLabels(metadata.labels)] : []),
    ];
  }

  #shown(): [TableColumn, number][] {
    return this.#columns.flatMap((column, index): [TableColumn, number][] =>
      this.#options.isWide || column.priority === 0 ? [[column, index]] : [],
    );
  }
}

function onOneLine(cell: unknown): string {
  if (cell === null || cell === undefined) return '';
  const text = typeof cell === 'string' ? cell : cellOf(cell);
  const end = text.search(/[\f\n\r]/);
  // A terminal must not be told what to do by a name.
  return (end < 0 ? text : `${text.slice(0, end)}...`).replaceAll('\x1b', '^[');
}
