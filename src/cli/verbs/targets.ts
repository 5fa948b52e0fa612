/**
 * What a command is about: `TYPE`, `TYPE NAME…`, `TYPE/NAME…`, or files; in one namespace or in all. Texts of refusals are
 * kubectl's. Source: cli-runtime, resource builder.
 */
import { StatusError } from '#api/machinery/status.ts';
import type { FlagSpec } from './flags.ts';
import { type Manifest, manifestsOf } from './manifests.ts';
import { pathOf, type ServedResource } from './served-resources.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

export interface Target {
  resource: ServedResource;
  /** Absent for kinds of the cluster, and for lists of all namespaces. */
  namespace?: string | undefined;
  /** '' for a page of a list. */
  name: string;
  /** As the file has it, or as the server has it; absent when it was not asked for. */
  object?: unknown;
  source: string;
}

export interface Targets {
  targets: Target[];
  errors: unknown[];
  /** One object was meant, by its name. */
  isSingle: boolean;
}

export interface TargetOptions {
  /** Objects as the server has them now; pages of lists where a whole type is meant. */
  latest?: boolean;
  /** A type alone means all its objects. */
  wholeTypes?: boolean;
  accept?: string | undefined;
  query?: Readonly<Record<string, string>>;
  chunkSize?: number;
  subresource?: string;
  /** Only one type may be meant. */
  singleType?: boolean;
  /** Lists stay pages instead of becoming their objects. */
  pages?: boolean;
  ignoreNotFound?: boolean;
}

export const SELECTOR_FLAGS: readonly FlagSpec[] = [
  { name: 'selector', short: 'l', type: 'string', summary: 'labels to select by, e.g. key1=value1,key2 in (a,b)' },
];
export const FIELD_SELECTOR_FLAG: FlagSpec = {
  name: 'field-selector',
  type: 'string',
  summary: 'fields to select by, e.g. status.phase=Running',
};
export const ALL_NAMESPACES_FLAG: FlagSpec = {
  name: 'all-namespaces',
  short: 'A',
  type: 'bool',
  summary: 'in all namespaces',
};
export const ALL_FLAG: FlagSpec = { name: 'all', type: 'bool', summary: 'all objects of the types, in the namespace' };

/** Flags that a command does not have count as not given. */
interface Asked {
  selector: string;
  fieldSelector: string;
  all: boolean;
  allNamespaces: boolean;
}

type Named = { resource: string; name: string };

export async function targetsOf(call: VerbCall, options: TargetOptions = {}): Promise<Targets> {
  const { args, flags } = call;
  const asked: Asked = {
    selector: optional(() => flags.string('selector'), ''),
    fieldSelector: optional(() => flags.string('field-selector'), ''),
    all: optional(() => flags.bool('all'), false),
    allNamespaces: optional(() => flags.bool('all-namespaces'), false),
  };
  if (optional(() => flags.list('filename').length > 0 || flags.has('kustomize'), false)) {
    if (args.some((arg) => arg.includes('/')))
      throw new VerbError('resource/name arguments cannot be provided when a path is specified');
    if (args.length > 0)
      throw new VerbError(
        'when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well',
      );
    return fromFiles(call, asked, options);
  }
  return fromArguments(call, asked, options);
}

/** Commands differ in the flags that they have. */
function optional<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the command has no flag')) return otherwise;
    throw error;
  }
}

async function fromFiles(call: VerbCall, asked: Asked, options: TargetOptions): Promise<Targets> {
  const { manifests, errors } = await manifestsOf(call.flags, call.io);
  const targets: Target[] = [];
  for (const manifest of manifests) {
    try {
      const target = await targetOf(call, manifest);
      if (asked.selector && !(await matches(target, asked.selector))) continue;
      targets.push(options.latest ? await fetchedTarget(call, target, options) : target);
    } catch (error) {
      if (!(options.ignoreNotFound && isNotFound(error))) errors.push(error);
    }
  }
  const isStream = call.flags.list('filename').includes('-');
  return { targets, errors, isSingle: !isStream && call.flags.list('filename').length === 1 && manifests.length === 1 };
}

async function matches({ object }: Target, selector: string): Promise<boolean> {
  const { matchesLabels, parseLabelSelector } = await import('#api/machinery/label-selector.ts');
  const parsed = parseLabelSelector(selector);
  if (!parsed.ok)
    throw new VerbError(`the provided selector ${JSON.stringify(selector)} is not valid: ${parsed.error}`);
  return matchesLabels(parsed.value, (object as { metadata: { labels?: Record<string, string> } }).metadata.labels);
}

/** Where an object of a file belongs. Throws VerbError when its kind is not served, or its namespace is another one. */
export async function targetOf({ cluster }: VerbCall, { object, source }: Manifest): Promise<Target> {
  const { apiVersion, kind, metadata } = object;
  const resource = (await cluster.resources()).ofKind(apiVersion, kind);
  if (!resource) {
    const what = `name: ${JSON.stringify(metadata.name ?? '')} namespace: ${JSON.stringify(metadata.namespace ?? '')} from ${JSON.stringify(source)}`;
    throw new VerbError(
      `resource mapping not found for ${what}: no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}\nensure CRDs are installed first`,
    );
  }
  const name = metadata.name ?? '';
  if (!resource.isNamespaced) return { resource, name, object, source };
  const namespace = metadata.namespace || cluster.namespace;
  if (cluster.isNamespaceGiven && namespace !== cluster.namespace)
    throw new VerbError(
      `the namespace from the provided object ${JSON.stringify(namespace)} does not match the namespace ${JSON.stringify(cluster.namespace)}. You must pass '--namespace=${namespace}' to perform this operation.`,
    );
  return { resource, namespace, name, object: { ...object, metadata: { ...metadata, namespace } }, source };
}

async function fromArguments(call: VerbCall, asked: Asked, options: TargetOptions): Promise<Targets> {
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

const NO_RESOURCE = `You must provide one or more resources by argument or filename.
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
  const [program = '', ...verb] = path.split(' ');
  if (args.some((arg) => arg.includes('/'))) {
    if (args.some((arg) => !arg.includes('/'))) {
      const command = `${program} ${verb.join(' ')}`;
      throw new VerbError(
        `there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. '${command} resource/<resource_name>' instead of '${command} resource resource/<resource_name>'`,
      );
    }
    return { names: args.map(namedBy), types: [], bareNames: [] };
  }
  const [first, ...bareNames] = args;
  if (first === undefined) return { names: [], types: [], bareNames: [] };
  const served = await cluster.resources();
  const types = first.split(',').flatMap((type) => {
    const members = served.inCategory(type);
    return members && !served.find(type)
      ? members.map(({ plural, group }) => (group ? `${plural}.${group}` : plural))
      : [type];
  });
  return { names: [], types: [...new Set(types)], bareNames };
}

function namedBy(arg: string): Named {
  const parts = arg.split('/');
  if (parts.length !== 2) throw new VerbError('arguments in resource/name form may not have more than one slash');
  const [resource = '', name = ''] = parts;
  if (!resource || !name || resource.includes(','))
    throw new VerbError('arguments in resource/name form must have a single resource and name');
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
  const errors: unknown[] = [];
  for (const { resource, name } of found) {
    const namespace = resource.isNamespaced ? cluster.namespace : undefined;
    const target = { resource, namespace, name, source: '' };
    try {
      targets.push(options.latest ? await fetchedTarget(call, target, options) : target);
    } catch (error) {
      if (!(options.ignoreNotFound && isNotFound(error))) errors.push(error);
    }
  }
  return { targets, errors, isSingle: names.length === 1 };
}

async function bulk(call: VerbCall, types: readonly string[], asked: Asked, options: TargetOptions): Promise<Targets> {
  const { cluster } = call;
  if (options.subresource) throw new VerbError('subresource cannot be used when bulk resources are specified');
  if (options.singleType && types.length > 1) throw new VerbError('you may only specify a single resource type');
  const served = await cluster.resources();
  const resources = [...new Set(types.map((type) => served.named(type, cluster.warn)))];
  const targets: Target[] = [];
  const errors: unknown[] = [];
  for (const resource of resources) {
    const namespace = resource.isNamespaced && !asked.allNamespaces ? cluster.namespace : undefined;
    try {
      for await (const page of pagesOf(call, { resource, namespace }, { ...asked, ...options })) {
        if (options.pages) targets.push({ resource, namespace, name: '', object: page, source: '' });
        else targets.push(...objectsOf(page, resource));
      }
    } catch (error) {
      errors.push(whileListing(error, resource, asked));
    }
  }
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

interface Page {
  metadata?: { continue?: string; resourceVersion?: string };
  items?: { apiVersion?: string; kind?: string; metadata: { name: string; namespace?: string } }[];
}

type PageOptions = TargetOptions & Partial<Asked>;

/** The pages of a list, in order. */
export async function* pagesOf(
  { cluster }: VerbCall,
  { resource, namespace }: Pick<Target, 'resource' | 'namespace'>,
  options: PageOptions,
): AsyncIterable<Page> {
  const { selector, fieldSelector, chunkSize = 500, accept, query } = options;
  let token = '';
  do {
    const path = pathOf(resource, {
      namespace,
      query: { ...query, labelSelector: selector, fieldSelector, limit: chunkSize || undefined, continue: token },
    });
    const page = (await cluster.request({ method: 'GET', path, ...(accept && { accept }) })).object as Page;
    yield page;
    token = page.metadata?.continue ?? '';
  } while (token);
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

async function fetchedTarget({ cluster }: VerbCall, target: Target, options: TargetOptions): Promise<Target> {
  const { accept, query, subresource } = options;
  const path = pathOf(target.resource, { ...target, subresource, query: query ?? {} });
  try {
    const { object } = await cluster.request({ method: 'GET', path, ...(accept && { accept }) });
    return { ...target, object };
  } catch (error) {
    await refuseIfNoNamespace(cluster, target, error);
    throw error;
  }
}

/** What is not found because its whole namespace is not there is told so. Source: cli-runtime, Info.Get. */
async function refuseIfNoNamespace(
  cluster: VerbCall['cluster'],
  { resource, namespace }: Target,
  error: unknown,
): Promise<void> {
  if (!isNotFound(error) || !resource.isNamespaced || !namespace || namespace === 'default') return;
  try {
    await cluster.get(`/api/v1/namespaces/${encodeURIComponent(namespace)}`);
  } catch (absent) {
    if (isNotFound(absent)) throw absent; // whoever may not look is told of the object alone
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof StatusError && error.reason === 'NotFound';
