/**
 * `/openapi/v2` and `/openapi/v3`: what the API server serves, for kubectl (explain, validation, patches) and generators.
 * Made from facts and registry on first request; a document of version 3 is made anew only when kinds of its own group and
 * version change.
 */
import { createHash } from 'node:crypto';
import { facts } from '#api/generated/facts.ts';
import { apiVersionOf, type Kind, type KindRegistry } from '#api/machinery/kind.ts';
import { publishedSchema } from '#api/machinery/structural-schema/published-schema.ts';
import { customDefinitionName, definitionName } from './definition-name.ts';
import { type CustomDefinition, type DefinitionSources, definitionsFor } from './definitions.ts';
import type { Descriptions } from './descriptions.ts';
import { documentV2 } from './document-v2.ts';
import { documentV3 } from './document-v3.ts';
import { documentPathOf, type Endpoint, endpointsOf } from './endpoints.ts';
import { gnosticDocument } from './gnostic.ts';
import { type OpenApiVersion, refTo, type Schema } from './type-schema.ts';

/** The protobuf form of version 2 as clients ask for it, and as it must be answered: `@` is not allowed in a Content-Type. */
export const GNOSTIC_ACCEPTED = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
export const GNOSTIC_MEDIA_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

export interface OpenApiDocument {
  body: Buffer;
  /** With its quotes. */
  etag: string;
  /** As it stands in the index's `?hash=`: a request that names it may be cached for good. */
  hash: string;
}

export interface OpenApi {
  /** `/openapi/v2` */
  v2(form: 'json' | 'protobuf'): Promise<OpenApiDocument>;
  /** `/openapi/v3` */
  v3Index(): Promise<OpenApiDocument>;
  /** `/openapi/v3/<path>`, `path` being `api/v1` or `apis/<group>/<version>`; undefined where nothing is served. */
  v3(path: string): OpenApiDocument | undefined;
}

export interface OpenApiOptions {
  /** `v1.36.0` */
  version: string;
  descriptions?: () => Descriptions | undefined;
  /** The schema of a custom kind, complete with metadata; an object of any shape when not given. */
  customSchema?(kind: Kind, version: OpenApiVersion): Schema | undefined;
}

export function createOpenApi(registry: KindRegistry, options: OpenApiOptions): OpenApi {
  const remembered = new Map<string, { kinds: readonly Kind[]; document: OpenApiDocument }>();
  const whole = new Map<string, { generation: number; document: Promise<OpenApiDocument> }>();

  const v3 = (path: string): OpenApiDocument | undefined => {
    const kinds = servedKinds(registry).filter((kind) => documentPathOf(kind) === path);
    if (kinds.length === 0) return undefined;
    const before = remembered.get(path);
    if (before && isSameList(before.kinds, kinds)) return before.document;
    const endpoints = sortedEndpoints(kinds);
    const definitions = definitionsFor(rootsOf(endpoints), sourcesOf(kinds, 3, options));
    const document = documentOf(Buffer.from(JSON.stringify(documentV3(endpoints, definitions, options))));
    remembered.set(path, { kinds, document });
    return document;
  };

  const index = async (): Promise<OpenApiDocument> => {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const path of [...new Set(servedKinds(registry).map(documentPathOf))].sort()) {
      await pause(); // each document takes some ms, and others are waiting for this thread
      const document = v3(path);
      if (document) paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${document.hash}` };
    }
    return documentOf(Buffer.from(JSON.stringify({ paths })));
  };

  const swagger = async (form: 'json' | 'protobuf'): Promise<OpenApiDocument> => {
    const kinds = servedKinds(registry);
    const endpoints = sortedEndpoints(kinds);
    await pause();
    const definitions = definitionsFor(rootsOf(endpoints), sourcesOf(kinds, 2, options));
    await pause();
    const document = documentV2(endpoints, definitions, options);
    return documentOf(form === 'json' ? Buffer.from(JSON.stringify(document)) : Buffer.from(gnosticDocument(document)));
  };

  /** Made once for each generation, also when several ask at the same time. */
  const once = (name: string, make: () => Promise<OpenApiDocument>): Promise<OpenApiDocument> => {
    const before = whole.get(name);
    if (before?.generation === registry.generation) return before.document;
    const document = make();
    whole.set(name, { generation: registry.generation, document });
    return document;
  };

  return {
    v2: (form) => once(form, () => swagger(form)),
    v3Index: () => once('index', index),
    v3,
  };
}

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const servedKinds = (registry: KindRegistry): readonly Kind[] => registry.all().filter(({ verbs }) => verbs.length > 0);

const isSameList = (a: readonly Kind[], b: readonly Kind[]): boolean =>
  a.length === b.length && a.every((kind, index) => kind === b[index]);

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
