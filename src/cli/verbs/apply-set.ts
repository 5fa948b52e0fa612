/**
 * `kedge apply --prune --applyset=NAME`: a parent object remembers which kinds and namespaces a set has objects in, and a label
 * on each tells which set it is of; who is labelled and not applied any more is deleted. Sets of kubectl are ours and the other
 * way round. Source: KEP-3659; kubectl, cmd/apply/applyset.go.
 */
import { createHash } from 'node:crypto';
import { hasReason } from '#api/machinery/status.ts';
import { messageOf } from './error-text.ts';
import { isNotFound } from './fetched-target.ts';
import type { ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { deletePruned } from './prune.ts';
import {
  apiVersionOf,
  groupResourceOf,
  pathOf,
  type ServedResource,
  type ServedResources,
} from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { type DryRun, writeQuery } from './writing.ts';

const PREFIX = 'applyset.kubernetes.io/';
const ID = `${PREFIX}id`;
const PART_OF = `${PREFIX}part-of`;
const TOOLING = `${PREFIX}tooling`;
const KINDS = `${PREFIX}contains-group-kinds`;
/** In which older versions of kubectl wrote what is in KINDS now. */
const RESOURCES = `${PREFIX}contains-group-resources`;
const NAMESPACES = `${PREFIX}additional-namespaces`;
const IS_PARENT_TYPE = `${PREFIX}is-parent-type`;

const TOOL = 'kubectl';
const FIELD_MANAGER = `${TOOL}-applyset`;
const TOOL_VERSION = 'v1.36.0';
/** These are made when they are not there. */
const BUILT_IN_PARENTS: ReadonlySet<string> = new Set(['secrets', 'configmaps']);

interface Parent {
  resource: ServedResource;
  name: string;
  namespace: string;
}

/** Where a set has objects. */
interface Extent {
  kinds: Map<string, ServedResource>;
  namespaces: Set<string>;
}

export class ApplySet {
  readonly #parent: Parent;
  readonly #call: VerbCall;
  readonly #dryRun: DryRun;
  #before: Extent = { kinds: new Map(), namespaces: new Set() };
  readonly #now: Extent = { kinds: new Map(), namespaces: new Set() };

  /** undefined where none is asked for. Throws VerbError for what cannot be a parent. */
  static async of(call: VerbCall, dryRun: DryRun): Promise<ApplySet | undefined> {
    const text = call.flags.string('applyset');
    if (!text) return undefined;
    const parent = parentOf(text, await call.cluster.resources());
    if (parent.resource.isNamespaced && call.cluster.isNamespaceGiven) parent.namespace = call.cluster.namespace;
    if (!call.flags.bool('prune')) throw new VerbError('--applyset requires --prune');
    await refuseUnfit(parent, call);
    return new ApplySet(parent, call, dryRun);
  }

  constructor(parent: Parent, call: VerbCall, dryRun: DryRun) {
    this.#parent = parent;
    this.#call = call;
    this.#dryRun = dryRun;
  }

  /** The value of the labels of parent and members. */
  get id(): string {
    const { name, namespace, resource } = this.#parent;
    const hash = createHash('sha256').update([name, namespace, resource.kind, resource.group].join('.'));
    return `applyset-${hash.digest('base64url')}-v1`;
  }

  /** As it is to be applied. Throws VerbError where it says itself which set it is of. */
  labelled(target: Target): Target {
    const object = target.object as ManifestObject;
    const labels = (object.metadata['labels'] ?? {}) as Record<string, string>;
    if (Object.hasOwn(labels, PART_OF))
      throw new VerbError(`ApplySet label ${JSON.stringify(PART_OF)} already set in input data`);
    const metadata = { ...object.metadata, labels: { ...labels, [PART_OF]: this.id } };
    return { ...target, object: { ...object, metadata } };
  }

  /** The parent remembers what there was and what there will be, so that nothing is forgotten when this ends in the middle. */
  async begin(targets: readonly Target[]): Promise<void> {
    const found = await this.#fetch();
    if (found) this.#before = await this.#extentOf(found);
    for (const { resource, namespace } of targets) {
      this.#now.kinds.set(kindOf(resource), resource);
      if (resource.isNamespaced && namespace) this.#now.namespaces.add(namespace);
    }
    await this.#write({
      kinds: new Map([...this.#before.kinds, ...this.#now.kinds]),
      namespaces: new Set([...this.#before.namespaces, ...this.#now.namespaces]),
    });
  }

  /** `uids` of what was applied now; `told` of each object that goes. */
  async prune(uids: ReadonlySet<string>, told: (object: unknown) => void): Promise<void> {
    const left: { type: ServedResource; item: ManifestObject }[] = [];
    for (const type of this.#before.kinds.values())
      for (const namespace of type.isNamespaced ? [...this.#before.namespaces].sort() : [undefined])
        for (const item of await this.#membersIn(type, namespace))
          if (!uids.has(String(item.metadata['uid']))) left.push({ type, item });
    for (const { type, item } of left) {
      const { name, namespace } = item.metadata;
      const what = `${kindOf(type)} ${namespace ? `${namespace}/` : ''}${name}`;
      told(
        await deletePruned(this.#call, { type, item, dryRun: this.#dryRun }).catch((error: unknown) => {
          throw new VerbError(`pruning ${what}: ${messageOf(error)}`);
        }),
      );
    }
    try {
      await this.#write(this.#now);
    } catch (error) {
      throw new VerbError(`apply and prune succeeded, but ApplySet update failed: ${messageOf(error)}`);
    }
  }

  /** Whatever a server makes of the selector: nothing goes that does not carry the label. */
  async #membersIn(type: ServedResource, namespace: string | undefined): Promise<ManifestObject[]> {
    try {
      const path = pathOf(type, { namespace, query: { labelSelector: `${PART_OF}=${this.id}` } });
      const { items } = await this.#call.cluster.get<{ items: ManifestObject[] }>(path);
      return items.filter(({ metadata }) => (metadata['labels'] as Texts | undefined)?.[PART_OF] === this.id);
    } catch (error) {
      const what = `${type.group}/${type.version}, Kind=${type.kind}`;
      throw new VerbError(`listing ${what} objects for pruning: ${messageOf(error)}`);
    }
  }

  async #fetch(): Promise<ManifestObject | undefined> {
    try {
      return await this.#call.cluster.get<ManifestObject>(pathOf(this.#parent.resource, this.#parent));
    } catch (error) {
      if (!isNotFound(error))
        throw new VerbError(`failed to fetch ApplySet parent object ${this.#told}: ${messageOf(error)}`);
      if (BUILT_IN_PARENTS.has(groupResourceOf(this.#parent.resource))) return undefined;
      throw new VerbError('custom resource ApplySet parents cannot be created automatically');
    }
  }

  /** As it is named on the command line, quoted. */
  get #told(): string {
    const { resource, name } = this.#parent;
    return JSON.stringify(`${resource.plural}.${resource.group}/${name}`);
  }

  /** Throws VerbError for a parent of somebody else. */
  async #extentOf({ metadata }: ManifestObject): Promise<Extent> {
    const { annotations = {}, labels = {} } = metadata as { annotations?: Texts; labels?: Texts };
    const tooling = annotations[TOOLING];
    if (tooling === undefined)
      throw new VerbError(
        `ApplySet parent object ${this.#told} already exists and is missing required annotation ${JSON.stringify(TOOLING)}`,
      );
    const tool = tooling.replace(/\/[^/]*$/, '');
    if (tool !== TOOL)
      throw new VerbError(
        `ApplySet parent object ${this.#told} already exists and is managed by tooling ${JSON.stringify(tool)} instead of ${JSON.stringify(TOOL)}`,
      );
    const id = labels[ID];
    if (id === undefined)
      throw new VerbError(`ApplySet parent object ${this.#told} exists and does not have required label ${ID}`);
    if (id !== this.id)
      throw new VerbError(
        `ApplySet parent object ${this.#told} exists and has incorrect value for label ${JSON.stringify(ID)} (got: ${id}, want: ${this.id})`,
      );
    const namespaces = new Set(annotations[NAMESPACES]?.split(',').filter((name) => name !== ''));
    if (this.#parent.namespace) namespaces.add(this.#parent.namespace);
    try {
      return { kinds: kindsIn(annotations, await this.#call.cluster.resources()), namespaces };
    } catch (error) {
      throw new VerbError(`parsing ApplySet annotation on ${this.#told}: ${messageOf(error)}`);
    }
  }

  /** By server-side apply: what older versions wrote and is not written any more goes. */
  async #write({ kinds, namespaces }: Extent): Promise<void> {
    if (this.#dryRun === 'client') return;
    const { resource, name, namespace } = this.#parent;
    const others = [...namespaces].filter((one) => one !== namespace);
    const object = {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: {
        name,
        ...(namespace && { namespace }),
        labels: { [ID]: this.id },
        annotations: {
          [NAMESPACES]: others.sort().join(','),
          [KINDS]: [...kinds.keys()].sort().join(','),
          [TOOLING]: `${TOOL}/${TOOL_VERSION}`,
        },
      },
    };
    const body = new TextEncoder().encode(compactJson(object));
    const write = (force: boolean) => {
      const query = { ...writeQuery(this.#call.flags, { dryRun: this.#dryRun, hasValidation: true }) };
      const path = pathOf(resource, {
        namespace,
        name,
        query: { ...query, fieldManager: FIELD_MANAGER, force: String(force) },
      });
      return this.#call.cluster.request({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' });
    };
    try {
      await write(false).catch((error) => {
        if (hasReason(error, 'Conflict')) return write(true);
        throw error;
      });
    } catch (error) {
      throw new VerbError(`failed to update ApplySet: ${messageOf(error)}`);
    }
  }
}

type Texts = Readonly<Record<string, string>>;

/** `Deployment.apps` */
const kindOf = ({ kind, group }: ServedResource): string => (group ? `${kind}.${group}` : kind);

function parentOf(text: string, resources: ServedResources): Parent {
  const at = text.indexOf('/');
  const [type, name] = at < 0 ? ['secrets', text] : [text.slice(0, at), text.slice(at + 1)];
  const refuse = (why: string) => new VerbError(`invalid parent reference ${JSON.stringify(text)}: ${why}`);
  if (!name) throw refuse('name cannot be blank');
  const resource = resources.find(type);
  const [plural, ...group] = type.split('.');
  if (!resource) throw refuse(`no matches for ${group.join('.')}/, Resource=${plural}`);
  return { resource, name, namespace: '' };
}

async function refuseUnfit({ resource, namespace }: Parent, { cluster, flags }: VerbCall): Promise<void> {
  const problems: string[] = [];
  if (resource.isNamespaced && !namespace) problems.push('namespace is required to use namespace-scoped ApplySet');
  if (!BUILT_IN_PARENTS.has(groupResourceOf(resource))) {
    const definitions = (await cluster.resources()).named('customresourcedefinitions.apiextensions.k8s.io');
    const path = pathOf(definitions, { query: { labelSelector: IS_PARENT_TYPE } });
    const { items } = await cluster.get<{ items: ManifestObject[] }>(path);
    if (!items.some(({ metadata }) => metadata.name === groupResourceOf(resource)))
      problems.push(
        `resource "${resource.group}/${resource.version}, Resource=${resource.plural}" is not permitted as an ApplySet parent`,
      );
  }
  if (problems.length > 0) throw new VerbError(problems.length > 1 ? `[${problems.join(', ')}]` : problems[0]!);
  if (flags.bool('force')) throw new VerbError('--force cannot be used with --prune');
  if (flags.bool('all')) throw new VerbError('--all is incompatible with --applyset');
  if (flags.string('selector')) throw new VerbError('--selector is incompatible with --applyset');
  if (flags.list('prune-allowlist').length > 0)
    throw new VerbError('--prune-allowlist is incompatible with --applyset');
}

function kindsIn(annotations: Texts, resources: ServedResources): Map<string, ServedResource> {
  const listed = annotations[KINDS];
  const older = annotations[RESOURCES];
  if (listed === undefined && !older)
    throw new VerbError(
      `${TOOL} requires the ${JSON.stringify(KINDS)} annotation to be set on all ApplySet parent objects`,
    );
  const texts = (listed ?? older ?? '').split(',').filter((text) => text !== '');
  const types = texts.map((text) => (listed === undefined ? resourceNamed(text, resources) : typeOf(text, resources)));
  return new Map(types.map((type) => [kindOf(type), type]));
}

function typeOf(text: string, { all }: ServedResources): ServedResource {
  const [kind = '', ...rest] = text.split('.');
  const group = rest.join('.');
  const found = all.find((one) => one.kind === kind && one.group === group);
  if (found) return found;
  throw new VerbError(
    `could not find mapping for kind in ${JSON.stringify(KINDS)} annotation: no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`,
  );
}

function resourceNamed(text: string, { all }: ServedResources): ServedResource {
  const found = all.find((one) => groupResourceOf(one) === text);
  if (found) return found;
  const [plural, ...group] = text.split('.');
  throw new VerbError(
    `invalid group resource in ${JSON.stringify(RESOURCES)} annotation: no matches for ${group.join('.')}/, Resource=${plural}`,
  );
}
