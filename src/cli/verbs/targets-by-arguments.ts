/** The objects that arguments are about: by their names, or all of a type that are selected. */
import { StatusError } from '#api/machinery/status.ts';
import { fetchedTarget, isNotFound } from './fetched-target.ts';
import { failuresAmong } from './going-on.ts';
import { type Page, pagesOf } from './list-pages.ts';
import type { ServedResource } from './served-resources.ts';
import type { Asked, Target, TargetOptions, Targets } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

type Named = { resource: string; name: string };

export async function fromArguments(call: VerbCall, asked: Asked, options: TargetOptions): Promise<Targets> {
  const { names, types, bareNames } = await parsedArguments(call);
  const { selector, fieldSelector, all } = asked;
  const isSelecting =
    selector !== '' ||
    fieldSelector !== '' ||
    all ||
    (options.wholeTypes && types.length > 0 && bareNames.length === 0);
  if (isSelecting && !(names.length > 0 && !selector && !fieldSelector && !all)) {
    if (bareNames.length > 0) throw new VerbError('name cannot be provided when a selector is specified');
    if (names.length > 0)
      throw new VerbError('selectors and the all flag cannot be used when passing resource/name arguments');
    if (types.length === 0) throw new VerbError('at least one resource must be specified to use a selector');
    return bulk(call, types, asked, options);
  }
  if (names.length > 0) return byName(call, names, asked, options);
  if (bareNames.length > 0) {
    return byName(
      call,
      types.flatMap((resource) => bareNames.map((name) => ({ resource, name }))),
      asked,
      options,
    );
  }
  if (types.length > 0) {
    const served = await call.cluster.resources();
    for (const type of types) served.named(type);
    throw new VerbError('resource(s) were provided, but no name was specified');
  }
  throw new VerbError(NO_RESOURCE);
}

export const NO_RESOURCE = `You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'`;

async function parsedArguments({
  args,
  cluster,
  path,
}: VerbCall): Promise<{ names: Named[]; types: string[]; bareNames: string[] }> {
  const command = `${path.split(' ')[0]} get`; // whatever was called
  if (args.some((arg) => arg.includes('/'))) {
    if (args.some((arg) => !arg.includes('/'))) {
      throw new VerbError(
        `there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. '${command} resource/<resource_name>' instead of '${command} resource resource/<resource_name>'`,
      );
    }
    return { names: args.map(namedBy), types: [], bareNames: [] };
  }
  const [first, ...bareNames] = args;
  if (first === undefined) return { names: [], types: [], bareNames: [] };
  const served = await cluster.resources();
  if (first.split(',').includes('')) throw new VerbError(ONE_RESOURCE);
  if (bareNames.length > 0 && served.inCategory(first) && !served.find(first))
    throw new VerbError('you must specify only one resource');
  const types = first.split(',').flatMap((type) => {
    const members = served.inCategory(type);
    return members && !served.find(type)
      ? members.map(({ plural, group }) => (group ? `${plural}.${group}` : plural))
      : [type];
  });
  return { names: [], types: [...new Set(types)], bareNames };
}

const ONE_RESOURCE = 'arguments in resource/name form must have a single resource and name';

function namedBy(arg: string): Named {
  const parts = arg.split('/');
  if (parts.length !== 2) throw new VerbError('arguments in resource/name form may not have more than one slash');
  const [resource = '', name = ''] = parts;
  if (!resource || !name || resource.includes(',')) throw new VerbError(ONE_RESOURCE);
  return { resource, name };
}

async function byName(call: VerbCall, names: readonly Named[], asked: Asked, options: TargetOptions): Promise<Targets> {
  const { cluster } = call;
  const served = await cluster.resources();
  const found = names.map(({ resource, name }) => ({ resource: served.named(resource, cluster.warn), name }));
  if (options.singleType && new Set(found.map(({ resource }) => resource)).size > 1)
    throw new VerbError('you may only specify a single resource type');
  if (asked.allNamespaces && found.some(({ resource }) => resource.isNamespaced))
    throw new VerbError('a resource cannot be retrieved by name across all namespaces');
  const targets: Target[] = [];
  const failures = await failuresAmong(found, async ({ resource, name }) => {
    const namespace = resource.isNamespaced ? cluster.namespace : undefined;
    const target = { resource, namespace, name, source: '' };
    targets.push(options.latest ? await fetchedTarget(call, target, options) : target);
  });
  const errors = failures.filter((failure) => !(options.ignoreNotFound && isNotFound(failure)));
  return { targets, errors, isSingle: names.length === 1 };
}

async function bulk(call: VerbCall, types: readonly string[], asked: Asked, options: TargetOptions): Promise<Targets> {
  const { cluster } = call;
  if (options.subresource) throw new VerbError('subresource cannot be used when bulk resources are specified');
  if (options.singleType && types.length > 1) throw new VerbError('you may only specify a single resource type');
  const served = await cluster.resources();
  const resources = [...new Set(types.map((type) => served.named(type, cluster.warn)))];
  const targets: Target[] = [];
  const errors = await failuresAmong(resources, async (resource) => {
    const namespace = resource.isNamespaced && !asked.allNamespaces ? cluster.namespace : undefined;
    try {
      for await (const page of pagesOf(call, { resource, namespace }, { ...asked, ...options })) {
        if (options.pages) targets.push({ resource, namespace, name: '', object: page, source: '' });
        else targets.push(...objectsOf(page, resource));
      }
    } catch (error) {
      throw whileListing(error, resource, asked);
    }
  });
  return { targets, errors, isSingle: false };
}

/** Errors about a selection tell which one it was. Source: cli-runtime, EnhanceListError. */
function whileListing(error: unknown, resource: ServedResource, { selector, fieldSelector }: Asked): unknown {
  if (!(error instanceof StatusError) || (error.reason !== 'BadRequest' && error.reason !== 'NotFound')) return error;
  const subject = JSON.stringify(`${resource.group}/${resource.version}, Resource=${resource.plural}`);
  const which =
    selector || fieldSelector
      ? `Unable to find ${subject} that match label selector ${JSON.stringify(selector)}, field selector ${JSON.stringify(fieldSelector)}`
      : `Unable to list ${subject}`;
  return StatusError.from({ ...error.toStatus(), message: `${which}: ${error.message}` });
}

/** Objects of a list leave out what the list says of them all. */
function objectsOf(page: Page, resource: ServedResource): Target[] {
  const { group, version, kind } = resource;
  const apiVersion = group ? `${group}/${version}` : version;
  return (page.items ?? []).map((item) => ({
    resource,
    namespace: item.metadata.namespace,
    name: item.metadata.name,
    object: { ...item, apiVersion, kind },
    source: '',
  }));
}
