/** `kedge get`: lists and objects, as tables that the server makes, or in a form of the user's choice. */
import { humanSince } from '#api/machinery/duration.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Table } from '#api/machinery/table.ts';
import { fileFlags } from './manifests.ts';
import { GET_FORMATS, type ObjectPrinter, OUTPUT_FLAGS, objectPrinter } from './output/output-flags.ts';
import { sortedBy } from './output/sort-by.ts';
import { TablePrinter } from './output/table.ts';
import { askRaw } from './raw.ts';
import { printedKindOf } from './served-resources.ts';
import {
  ALL_NAMESPACES_FLAG,
  FIELD_SELECTOR_FLAG,
  SELECTOR_FLAGS,
  type Target,
  type TargetOptions,
  type Targets,
  targetsOf,
} from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { bare, throwIfAny, VerbError } from './verb-error.ts';

const TABLE = [
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=Table;v=v1beta1;g=meta.k8s.io',
  'application/json',
].join(',');

export const getVerb: Verb = {
  name: 'get',
  summary: 'print one or many objects',
  usage: '(TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...)',
  flags: [
    ...fileFlags('to print'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    FIELD_SELECTOR_FLAG,
    ALL_NAMESPACES_FLAG,
    { name: 'watch', short: 'w', type: 'bool', summary: 'go on with every change' },
    { name: 'watch-only', type: 'bool', summary: 'only changes, without what is there' },
    { name: 'output-watch-events', type: 'bool', summary: 'tell what kind of change each is' },
    { name: 'no-headers', type: 'bool', summary: 'tables without their first line' },
    { name: 'show-labels', type: 'bool', summary: 'a last column with all labels' },
    { name: 'show-kind', type: 'bool', summary: 'the kind in front of each name' },
    { name: 'label-columns', short: 'L', type: 'list', summary: 'labels that get a column each' },
    { name: 'sort-by', type: 'string', summary: 'a JSONPath to sort by' },
    { name: 'ignore-not-found', type: 'bool', summary: 'an object that is not there is no failure' },
    { name: 'chunk-size', type: 'int', default: '500', summary: 'how many objects to ask for at once; 0 for all' },
    { name: 'server-print', type: 'bool', default: 'true', summary: 'with the columns that the server knows' },
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
    { name: 'raw', type: 'string', summary: 'a path to ask for as it is' },
  ],
  async run(call) {
    const { flags, cluster, io } = call;
    if (flags.has('raw')) return raw(call);
    refuseContradictions(call);
    if (flags.bool('watch') || flags.bool('watch-only')) {
      const { watchObjects } = await import('./get-watch.ts');
      return watchObjects(call, { tableType: TABLE, tablePrinterFor, tableFrom });
    }
    if (call.args.length === 0 && flags.list('filename').length === 0 && !flags.has('kustomize'))
      throw nothingNamed(call);
    const printer = objectPrinter(flags, io, GET_FORMATS);
    const read = await targetsOf(call, optionsOf(call, printer === undefined));
    const found = flags.list('filename').length > 0 ? { ...read, errors: read.errors.map(bare) } : read;
    return printer ? printObjects(call, found, printer) : printTables(call, found, cluster.namespace);
  },
};

function refuseContradictions({ flags }: VerbCall): void {
  const output = flags.string('output');
  if (flags.bool('show-labels') && output !== '' && output !== 'wide')
    throw new VerbError(`--show-labels option cannot be used with ${output} printer`);
  if (flags.has('label-columns') && output.startsWith('custom-columns'))
    throw new VerbError(`--label-columns option cannot be used with ${output} printer`);
  if (flags.bool('output-watch-events') && !flags.bool('watch') && !flags.bool('watch-only'))
    throw new VerbError('--output-watch-events option can only be used with --watch or --watch-only');
}

function nothingNamed({ io, path }: VerbCall): VerbError {
  const [program = ''] = path.split(' ');
  io.err(
    `You must specify the type of resource to get. Use "${program} api-resources" for a complete list of supported resources.\n\n`,
  );
  return new VerbError(
    `Required resource not specified.\nUse "${program} explain <resource>" for a detailed description of that resource (e.g. ${program} explain pods).\nSee '${program} get -h' for help and examples`,
  );
}

async function raw(call: VerbCall): Promise<void> {
  const { flags, args } = call;
  if (args.length > 0) throw new VerbError('arguments may not be passed when --raw is specified');
  if (flags.bool('watch') || flags.string('selector') || flags.has('filename'))
    throw new VerbError(
      '--raw may not be specified with other flags that filter the server request or alter the output',
    );
  if (flags.string('output')) throw new VerbError('--raw and --output are mutually exclusive');
  await askRaw(call, 'GET');
}

function optionsOf({ flags }: VerbCall, isTable: boolean): TargetOptions {
  const isSorted = flags.string('sort-by') !== '';
  const isServersTable = isTable && flags.bool('server-print');
  return {
    latest: true,
    wholeTypes: true,
    pages: isServersTable,
    chunkSize: isSorted ? 0 : flags.int('chunk-size'),
    subresource: flags.string('subresource'),
    ignoreNotFound: flags.bool('ignore-not-found'),
    ...(isServersTable && { accept: TABLE }),
    ...(isServersTable && isSorted && { query: { includeObject: 'Object' } }),
  };
}

function printObjects({ flags, io }: VerbCall, { targets, errors, isSingle }: Targets, printer: ObjectPrinter): void {
  if (isSingle) throwIfAny(errors);
  if (targets.length === 0 && flags.bool('ignore-not-found')) {
    throwIfAny(errors);
    return;
  }
  if (isSingle && targets.length === 1) {
    io.out(printer.print(targets[0]!.object));
    return;
  }
  const objects = targets.map(({ object }) => object);
  const sortBy = flags.string('sort-by');
  const items = sortBy ? sortedBy(objects, sortBy, (object) => object) : objects;
  io.out(printer.print({ apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items }));
  throwIfAny(errors);
}

/** One printer a resource: its headers, then all its rows. */
export function tablePrinterFor(
  { flags }: VerbCall,
  { resource }: Pick<Target, 'resource'>,
  withKind: boolean,
): TablePrinter {
  return new TablePrinter({
    isWide: flags.string('output') === 'wide',
    hasHeaders: !flags.bool('no-headers'),
    hasNamespace: flags.bool('all-namespaces') && resource.isNamespaced,
    labelColumns: flags.list('label-columns'),
    hasLabels: flags.bool('show-labels'),
    ...((withKind || flags.bool('show-kind')) && { kind: printedKindOf(resource) }),
  });
}

function printTables(call: VerbCall, { targets, errors }: Targets, namespace: string): void {
  const { flags, io } = call;
  const withKind = new Set(targets.map(({ resource }) => resource)).size > 1;
  const failures = [...errors];
  let written = 0;
  let isSeparated = false;
  for (const group of inRuns(targets)) {
    const printer = tablePrinterFor(call, group[0]!, withKind);
    isSeparated = written > 0 && !flags.bool('no-headers');
    const text = printer.print(sortedTable(joined(group, io.clock.now()), flags.string('sort-by')));
    if (text && isSeparated) io.out('\n');
    io.out(text);
    written += text.length;
  }
  if (written === 0 && !flags.bool('ignore-not-found') && failures.length === 0) {
    const isOne = !flags.bool('all-namespaces') && targets.every(({ resource }) => resource.isNamespaced);
    io.err(isOne ? `No resources found in ${namespace} namespace.\n` : 'No resources found\n');
  }
  throwIfAny(failures);
}

function inRuns(targets: readonly Target[]): Target[][] {
  const runs: Target[][] = [];
  for (const target of targets) {
    const last = runs.at(-1);
    if (last && last[0]!.resource === target.resource) last.push(target);
    else runs.push([target]);
  }
  return runs;
}

/** The pages of a list, or objects that were asked for one by one, in one table. */
function joined(targets: readonly Target[], nowMs: number): Table {
  const tables = targets.map(({ object }) => tableFrom(object, nowMs));
  return { ...tables[0]!, rows: tables.flatMap(({ rows }) => rows ?? []) };
}

/** Not every part of an object has columns of its own: then it is its name and its age. */
function tableFrom(object: unknown, nowMs: number): Table {
  if ((object as Table).kind === 'Table') return object as Table;
  const { metadata } = object as KubeObject;
  const column = { type: 'string', description: '', priority: 0 };
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: [
      { ...column, name: 'Name', format: 'name' },
      { ...column, name: 'Age', format: '' },
    ],
    rows: [{ cells: [metadata.name, humanSince(metadata.creationTimestamp, nowMs)], object }],
  };
}

const sortedTable = (table: Table, field: string): Table =>
  field ? { ...table, rows: sortedBy(table.rows, field, ({ object }) => object) } : table;
