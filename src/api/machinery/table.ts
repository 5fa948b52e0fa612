/** metav1.Table: what `kubectl get` prints, made by the server from a kind's columns. Source: API concepts, "Table fetches". */
import type { Kind } from './kind.ts';
import type { KubeObject, ListMeta, ObjectMeta } from './object.ts';

export interface TableColumn {
  name: string;
  type: string;
  format: string;
  description: string;
  priority: number;
}

export type Cell = string | number | boolean | null;

export interface PartialObjectMetadata {
  kind: 'PartialObjectMetadata';
  apiVersion: 'meta.k8s.io/v1';
  metadata: ObjectMeta;
}

export interface TableRow {
  cells: Cell[];
  /** The object, its metadata or nothing, as the client asked. */
  object: unknown;
}

export interface Table {
  kind: 'Table';
  apiVersion: 'meta.k8s.io/v1';
  metadata: ListMeta;
  columnDefinitions?: TableColumn[];
  rows: TableRow[];
}

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export const columnsOf = (kind: Kind): TableColumn[] =>
  kind.columns.map(({ name, type, format = '', description = '', priority }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));

export const cellsOf = <T extends KubeObject>(kind: Kind<T>, object: T, nowMs: number): Cell[] =>
  kind.columns.map((column) => column.cell(object, nowMs));

export const partialMetadataOf = ({ metadata }: KubeObject): PartialObjectMetadata => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata,
});

export const rowOf = (
  kind: Kind,
  object: KubeObject,
  { nowMs, include }: { nowMs: number; include: IncludeObject },
): TableRow => ({
  cells: cellsOf(kind, object, nowMs),
  object: include === 'Object' ? object : include === 'Metadata' ? partialMetadataOf(object) : null,
});

/** `metadata` is the list's, or for a single object only its resourceVersion. */
export const tableOf = (
  kind: Kind,
  objects: readonly KubeObject[],
  options: { nowMs: number; include: IncludeObject; metadata: ListMeta },
): Table => ({
  kind: 'Table',
  apiVersion: 'meta.k8s.io/v1',
  metadata: options.metadata,
  columnDefinitions: columnsOf(kind),
  rows: objects.map((object) => rowOf(kind, object, options)),
});
