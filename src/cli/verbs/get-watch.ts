/** `kedge get -w`: what is there, and every change as it comes, until the user has seen enough. */
import { fieldSelectorOfName } from './name-selector.ts';
import type { Table } from '#api/machinery/table.ts';
import { GET_FORMATS, itemsOf, objectPrinter } from './output/output-flags.ts';
import type { TablePrinter } from './output/table.ts';
import { apiVersionOf, pathOf } from './served-resources.ts';
import { pagesOf, type Target, targetsOf } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

interface Watching {
  tableType: string;
  tablePrinterFor(call: VerbCall, target: Pick<Target, 'resource'>, withKind: boolean): TablePrinter;
}

export async function watchObjects(call: VerbCall, { tableType, tablePrinterFor }: Watching): Promise<void> {
  const { flags, io, cluster } = call;
  const printer = objectPrinter(flags, io, GET_FORMATS);
  const accept = printer ? undefined : tableType;
  if (flags.string('sort-by'))
    io.err('warning: --watch requested, --sort-by will be ignored for watch events received\n');
  const { target, name } = await watched(call);
  const namespace = target.resource.isNamespaced && !flags.bool('all-namespaces') ? cluster.namespace : undefined;
  const tables = tablePrinterFor(call, target, false);
  const selection = {
    selector: flags.string('selector'),
    fieldSelector: fieldSelectorOfName(flags.string('field-selector'), name),
  };
  const hasEvents = flags.bool('output-watch-events');
  const show = (object: unknown, type: string) => {
    if (!printer) io.out(tables.print(object as Table, hasEvents ? type : undefined));
    else io.out(printer.print(hasEvents ? { type, object } : object));
  };
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
    const items = printer ? (itemsOf(page) ?? []).map(typed) : [page];
    hasSeen ||= printer ? items.length > 0 : ((page as unknown as Table).rows ?? []).length > 0;
    if (shown) for (const item of items) show(item, 'ADDED');
  }
  if (name && !hasSeen) await cluster.get(pathOf(target.resource, { namespace, name })); // says that it is not found
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

async function watched(call: VerbCall): Promise<{ target: Pick<Target, 'resource'>; name: string }> {
  const isNamed = call.args.length > 1 || call.args[0]?.includes('/') || call.flags.list('filename').length > 0;
  if (!isNamed) {
    const [type = ''] = call.args;
    if (type.includes(',')) throw new VerbError('you may only specify a single resource type');
    return { target: { resource: (await call.cluster.resources()).named(type) }, name: '' };
  }
  const { targets, errors } = await targetsOf(call, { singleType: true });
  throwIfAny(errors);
  if (targets.length !== 1)
    throw new VerbError('watch is only supported on individual resources and resource collections');
  return { target: targets[0]!, name: targets[0]!.name };
}
