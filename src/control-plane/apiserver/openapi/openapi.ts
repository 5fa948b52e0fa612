/**
 * `/openapi/v2` and `/openapi/v3`: what the API server serves, for kubectl (explain, validation, patches) and generators.
 * Made from facts and registry on first request; a document of version 3 is made anew only when kinds of its own group and
 * version change.
 */
import { createHash } from 'node:crypto';
import { facts } from '#api/generated/facts.ts';
import { apiVersionOf, type Kind, type KindRegistry } from '#api/machinery/kind.ts';
import { publishedSchema } from '#api/machinery/structural-schema/published-schema.ts';
import { haveSameItems } from '#base/same-items.ts';
import { customDefinitionName, definitionName } from './definition-name.ts';
import { type CustomDefinition, type DefinitionSources, definitionsFor } from './definitions.ts';
import type { Descriptions } from './descriptions.ts';
import { documentV2 } from './document-v2.ts';
import { documentV3 } from './document-v3.ts';
import { documentPathOf, type Endpoint, endpointsOf } from './endpoints.ts';
import { gnosticDocument } from './gnostic.ts';
import { gnosticDocumentV3 } from './gnostic-v3.ts';
import { mergedSpec } from './merge-specs.ts';
import { NO_REMOTE_SPECS, type RemoteSpecs, type Spec } from './remote-specs.ts';
import { type OpenApiVersion, refTo, type Schema } from './type-schema.ts';
import { documentOfVersion2 } from './version-2-to-3.ts';

/** The protobuf form of version 2 as clients ask for it, and as it must be answered: `@` is not allowed in a Content-Type. */
export const GNOSTIC_ACCEPTED = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
export const GNOSTIC_MEDIA_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

export const GNOSTIC_V3_ACCEPTED = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';
export const GNOSTIC_V3_MEDIA_TYPE = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf';

export type OpenApiForm = 'json' | 'protobuf';

export interface OpenApiDocument {
  body: Buffer;
  /** With its quotes. */
  etag: string;
  /** As it stands in the index's `?hash=`: a request that names it may be cached for good. */
  hash: string;
}

export interface OpenApi {
  /** `/openapi/v2` */
  v2(form: OpenApiForm): Promise<OpenApiDocument>;
  /** `/openapi/v3` */
  v3Index(): Promise<OpenApiDocument>;
  /** `/openapi/v3/<path>`, `path` being `api/v1` or `apis/<group>/<version>`; undefined where nothing is served. */
  v3(path: string, form?: OpenApiForm): OpenApiDocument | undefined;
}

export interface OpenApiOptions {
  /** `v1.36.0` */
  version: string;
  descriptions?: () => Descriptions | undefined;
  /** The schema of a custom kind, complete with metadata; an object of any shape when not given. */
  customSchema?(kind: Kind, version: OpenApiVersion): Schema | undefined;
}

export function createOpenApi(
  registry: KindRegistry,
  options: OpenApiOptions,
  remote: RemoteSpecs = NO_REMOTE_SPECS,
): OpenApi {
  const remembered = new Map<string, { kinds: readonly Kind[]; document: Document3 }>();
  const converted = new WeakMap<Spec, Document3>();
  const whole = new Map<string, { generation: string; document: Promise<OpenApiDocument> }>();

  /** Of another API server that has version 2 only. */
  const remoteV3 = (path: string): Document3 | undefined => {
    const found = remote.specs().find(({ group, version }) => path === `apis/${group}/${version}`);
    if (!found) return undefined;
    const before = converted.get(found.spec);
    if (before) return before;
    const info = { title: 'Kubernetes', version: options.version };
    const document = new Document3(documentOfVersion2(found.spec, info));
    converted.set(found.spec, document);
    return document;
  };

  const ownV3 = (path: string): Document3 | undefined => {
    const kinds = servedKinds(registry).filter((kind) => documentPathOf(kind) === path);
    if (kinds.length === 0) return undefined;
    const before = remembered.get(path);
    if (before && haveSameItems(before.kinds, kinds)) return before.document;
    const endpoints = sortedEndpoints(kinds);
    const definitions = definitionsFor(rootsOf(endpoints), sourcesOf(kinds, 3, options));
    const document = new Document3(documentV3(endpoints, definitions, options));
    remembered.set(path, { kinds, document });
    return document;
  };

  const v3 = (path: string, form: OpenApiForm = 'json'): OpenApiDocument | undefined =>
    (remoteV3(path) ?? ownV3(path))?.in(form);

  const index = async (): Promise<OpenApiDocument> => {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    const theirs = remote.specs().map(({ group, version }) => `apis/${group}/${version}`);
    const addresses = remote.addresses();
    for (const path of [
      ...new Set([...servedKinds(registry).map(documentPathOf), ...theirs, ...addresses.keys()]),
    ].sort()) {
      await pause(); // each document takes some ms, and others are waiting for this thread
      const document = addresses.has(path) ? undefined : v3(path);
      if (document) paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${document.hash}` };
      else if (addresses.has(path)) paths[path] = { serverRelativeURL: addresses.get(path)! };
    }
    return documentOf(Buffer.from(JSON.stringify({ paths })));
  };

  const swagger = async (form: OpenApiForm): Promise<OpenApiDocument> => {
    const kinds = servedKinds(registry);
    const endpoints = sortedEndpoints(kinds);
    await pause();
    const definitions = definitionsFor(rootsOf(endpoints), sourcesOf(kinds, 2, options));
    await pause();
    const own = documentV2(endpoints, definitions, options);
    const merged = remote.specs().reduce<Spec>((all, { spec }) => mergedSpec(all, spec), own as Spec);
    const document = { ...own, ...merged } as typeof own;
    return documentOf(form === 'json' ? Buffer.from(JSON.stringify(document)) : Buffer.from(gnosticDocument(document)));
  };

  /** Made once for each generation, also when several ask at the same time. */
  const once = async (name: string, make: () => Promise<OpenApiDocument>): Promise<OpenApiDocument> => {
    await remote.refresh();
    const generation = `${registry.generation} ${remote.generation}`;
    const before = whole.get(name);
    if (before?.generation === generation) return before.document;
    const document = make();
    whole.set(name, { generation, document });
    document.catch(() => whole.delete(name)); // the next who asks may fare better
    return document;
  };

  return {
    v2: (form) => once(form, () => swagger(form)),
    v3Index: () => once('index', index),
    v3,
  };
}

/** One of version 3: encoded when somebody wants it so. Both forms have the tag of the JSON. */
class Document3 {
  readonly #content: object;
  readonly #json: OpenApiDocument;
  #protobuf: OpenApiDocument | undefined;

  constructor(content: object) {
    this.#content = content;
    this.#json = documentOf(Buffer.from(JSON.stringify(content)));
  }

  in(form: OpenApiForm): OpenApiDocument {
    if (form === 'json') return this.#json;
    this.#protobuf ??= { ...this.#json, body: Buffer.from(gnosticDocumentV3(this.#content)) };
    return this.#protobuf;
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const servedKinds = (registry: KindRegistry): readonly Kind[] => registry.all().filter(({ verbs }) => verbs.length > 0);

const sortedEndpoints = (kinds: readonly Kind[]): Endpoint[] =>
  kinds.flatMap((kind) => endpointsOf(kind, facts)).sort((a, b) => (a.path < b.path ? -1 : 1));

function* rootsOf(endpoints: readonly Endpoint[]): Generator<string> {
  for (const { operations } of endpoints)
    for (const { body, answer } of operations) {
      if (body) yield body.definition;
      if (answer) yield answer;
    }
}

function sourcesOf(kinds: readonly Kind[], version: OpenApiVersion, options: OpenApiOptions): DefinitionSources {
  const custom = new Map(
    kinds.filter((kind) => !kind.facts).flatMap((kind) => customDefinitions(kind, version, options)),
  );
  return {
    facts,
    version,
    descriptions: options.descriptions?.(),
    custom,
    kindsOf: kindsByDefinition(kinds),
  };
}

type GroupVersionKind = { group: string; kind: string; version: string };

/** Which kinds a definition is: one, and for DeleteOptions one in each group and version. */
function kindsByDefinition(kinds: readonly Kind[]): (name: string) => readonly object[] | undefined {
  const found = new Map<string, GroupVersionKind[]>();
  const add = (name: string, kind: GroupVersionKind) => found.set(name, [...(found.get(name) ?? []), kind]);
  for (const { group, version, kind, listKind, facts: type, subresources } of kinds) {
    const name = type ? definitionName(type.name) : customDefinitionName({ group, version, kind });
    add(name, { group, kind, version });
    add(type ? `${name}List` : customDefinitionName({ group, version, kind: listKind }), {
      group,
      kind: listKind,
      version,
    });
    for (const { serves } of subresources) {
      const body = serves && facts.typeOfKind(serves.group, serves.version, serves.kind);
      if (body && !found.has(definitionName(body.name)))
        add(definitionName(body.name), { group: serves.group, kind: serves.kind, version: serves.version });
    }
  }
  add(definitionName('meta.v1.Status'), { group: '', kind: 'Status', version: 'v1' });
  const versions = new Map(kinds.map((kind) => [apiVersionOf(kind), kind]));
  for (const { group, version } of versions.values())
    add(definitionName('meta.v1.DeleteOptions'), { group, kind: 'DeleteOptions', version });
  return (name) => found.get(name);
}

const OBJECT_META = definitionName('meta.v1.ObjectMeta');
const LIST_META = definitionName('meta.v1.ListMeta');

/** As its definition has it: what `customSchema` is in a cluster. */
export const schemaOfCustom = ({ custom }: Kind, version: OpenApiVersion): Schema | undefined =>
  custom && publishedSchema(custom.schema, { version, objectMeta: refTo(OBJECT_META, version) });

function customDefinitions(kind: Kind, version: OpenApiVersion, options: OpenApiOptions): [string, CustomDefinition][] {
  const name = customDefinitionName(kind);
  const schema = options.customSchema?.(kind, version) ?? {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
  };
  const properties = {
    apiVersion: { type: 'string' },
    items: { type: 'array', items: { $ref: refTo(name, version) } },
    kind: { type: 'string' },
    metadata: { $ref: refTo(LIST_META, version) },
  };
  const list = { type: 'object', required: ['items'], properties };
  return [
    [name, { schema, refers: [OBJECT_META] }],
    [customDefinitionName({ ...kind, kind: kind.listKind }), { schema: list, refers: [name, LIST_META] }],
  ];
}

function documentOf(body: Buffer): OpenApiDocument {
  const hash = createHash('sha512').update(body).digest('hex').toUpperCase();
  return { body, hash, etag: `"${hash}"` };
}
