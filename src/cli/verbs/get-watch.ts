/** `kedge get -w`: what is there, and every change as it comes, until the user has seen enough. */

import type { Table } from '#api/machinery/table.ts';
import { pagesOf } from './list-pages.ts';
import { fieldSelectorOfName } from './name-selector.ts';
import { GET_FORMATS, itemsOf, objectPrinter } from './output/output-flags.ts';
import type { TablePrinter } from './output/table.ts';
import { apiVersionOf, pathOf } from './served-resources.ts';
import { type Target, targetsOf } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

interface Watching {
  tableType: string;
  tablePrinterFor(call: VerbCall, target: Pick<Target, 'resource'>, withKind: boolean): TablePrinter;
  /** Of an object that came as itself. */
  tableFrom(object: unknown, nowMs: number): Table;
}

export async function watchObjects(call: VerbCall, { tableType, tablePrinterFor, tableFrom }: Watching): Promise<void> {
  const { flags, io, cluster } = call;
  const printer = objectPrinter(flags, io, GET_FORMATS);
  const isServersTable = !printer && flags.bool('server-print');
  const accept = isServersTable ? tableType : undefined;
  if (flags.string('sort-by'))
    io.err('warning: --watch requested, --sort-by will be ignored for watch events received\n');
  const asked = await watched(call, accept);
  const [target] = asked.targets;
  if (!target) return; // it is not there, and that is no failure
  const { name } = asked;
  const namespace = target.resource.isNamespaced && !flags.bool('all-namespaces') ? cluster.namespace : undefined;
  const tables = tablePrinterFor(call, target, false);
  const selection = {
    selector: flags.string('selector'),
    fieldSelector: fieldSelectorOfName(flags.string('field-selector'), name),
  };
  const hasEvents = flags.bool('output-watch-events');
  const show = (object: unknown, type: string) => {
    if (!printer) io.out(tables.print(tableFrom(object, io.clock.now()), hasEvents ? type : undefined));
    else if (hasEvents) io.out(printer.printEvent?.({ type, object }) ?? printer.print({ type, object }));
    else io.out(printer.print(object));
  };
  if (asked.targets.length > 1) {
    const objects = asked.targets.map(({ object }) => object);
    const [table, ...others] = isServersTable ? (objects as Table[]) : [];
    const shown = table ? [{ ...table, rows: [table, ...others].flatMap(({ rows }) => rows ?? []) }] : objects;
    if (!flags.bool('watch-only')) for (const object of shown) show(object, 'ADDED');
    throw refusalOf(call, asked.targets.length);
  }
  const typed = (item: unknown) => ({
    ...(item as object),
    apiVersion: apiVersionOf(target.resource),
    kind: target.resource.kind,
  });
  let resourceVersion = '';
  let hasSeen = false;
  for await (const page of pagesOf(
    call,
    { resource: target.resource, namespace },
    { ...selection, accept, chunkSize: flags.int('chunk-size') },
  )) {
    resourceVersion = page.metadata?.resourceVersion ?? resourceVersion;
    const shown = !flags.bool('watch-only');
    const items = isServersTable ? [page] : (itemsOf(page) ?? []).map(typed);
    hasSeen ||= isServersTable ? ((page as unknown as Table).rows ?? []).length > 0 : items.length > 0;
    if (shown) for (const item of items) show(item, 'ADDED');
  }
  if (name && !hasSeen) {
    if (flags.bool('ignore-not-found')) return;
    await cluster.get(pathOf(target.resource, { namespace, name })); // says that it is not found
  }
  const path = pathOf(target.resource, {
    namespace,
    query: {
      labelSelector: selection.selector,
      fieldSelector: selection.fieldSelector,
      resourceVersion,
      watch: 'true',
    },
  });
  for await (const { type, object } of cluster.watch({ path, signal: io.signal, ...(accept && { accept }) }))
    if (type !== 'BOOKMARK') show(object, type);
}

interface WhatToWatch {
  targets: readonly Pick<Target, 'resource' | 'object'>[];
  name: string;
}

/** Of several objects, which cannot be watched, what they are now. */
async function watched(call: VerbCall, accept: string | undefined): Promise<WhatToWatch> {
  const isNamed = call.args.length > 1 || call.args[0]?.includes('/') || call.flags.list('filename').length > 0;
  if (!isNamed) {
    const [type = ''] = call.args;
    if (type.includes(',')) throw new VerbError('you may only specify a single resource type');
    return { targets: [{ resource: (await call.cluster.resources()).named(type), object: undefined }], name: '' };
  }
  const { targets, errors } = await targetsOf(call, { singleType: true });
  throwIfAny(errors);
  if (targets.length === 1) return { targets, name: targets[0]!.name };
  const ignoreNotFound = call.flags.bool('ignore-not-found');
  const found = await targetsOf(call, { singleType: true, latest: true, ignoreNotFound, ...(accept && { accept }) });
  throwIfAny(found.errors);
  return { targets: found.targets, name: '' };
}

const refusalOf = ({ flags }: VerbCall, count: number): VerbError =>
  new VerbError(
    flags.list('filename').length > 0
      ? `watch is only supported on individual resources and resource collections - ${count} resources were found`
      : 'you may only watch a single resource or type of resource at a time',
  );
