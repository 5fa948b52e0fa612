/** `kedge explain`: what the fields of a kind mean, from the server's OpenAPI v3. Source: kubectl explain, plain text. */
import { explainedByV2 } from './explain-openapi-v2.ts';
import { apiVersionOf, pathOf, type ServedResource } from './served-resources.ts';
import type { Verb, VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { wrapped } from './output/wrapped.ts';

export interface Schema {
  $ref?: string;
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  allOf?: Schema[];
  'x-kubernetes-group-version-kind'?: Gvk[];
}

interface Gvk {
  group?: string;
  version: string;
  kind: string;
}

export interface OpenApiDocument {
  components?: { schemas?: Record<string, Schema> };
}

const OPENAPI_V2 = 'plaintext-openapiv2';
const FORMATS = ['plaintext', OPENAPI_V2];

export const explainVerb: Verb = {
  name: 'explain',
  summary: 'tell what the fields of a kind mean',
  usage: 'TYPE[.FIELD …] [--recursive] [--api-version=GROUP/VERSION]',
  flags: [
    { name: 'recursive', short: 'R', type: 'bool', summary: 'all fields below, by name and type' },
    { name: 'api-version', type: 'string', summary: 'of this group and version' },
    { name: 'max-depth', type: 'int', default: '0', summary: 'with --recursive: how far down; 0 for all the way' },
    { name: 'output', short: 'o', type: 'string', default: 'plaintext', summary: 'plaintext or plaintext-openapiv2' },
  ],
  async run(call) {
    const { args, flags, io, path } = call;
    const [program = ''] = path.split(' ');
    if (args.length === 0)
      throw new VerbError(
        `You must specify the type of resource to explain. Use "${program} api-resources" for a complete list of supported resources.\n`,
      );
    if (args.length > 1) throw new VerbError('We accept only this format: explain RESOURCE\n');
    if (!FORMATS.includes(flags.string('output')))
      throw new VerbError(`unrecognized format: ${flags.string('output')}`);
    if (args[0] === '.') throw new VerbError('a resource must be present, got: /, Resource=');
    if (args[0]!.startsWith('.')) throw new VerbError('invalid jsonpath syntax, first node must be field node');
    const maxDepth = flags.int('max-depth');
    if (maxDepth > 0 && !flags.bool('recursive')) throw new VerbError('--max-depth requires --recursive');
    if (maxDepth < 0) throw new VerbError('--max-depth must be non-negative');
    const { resource, fields } = await meant(call, args[0]!);
    if (flags.string('output') === OPENAPI_V2)
      return io.out(await explainedByV2(call, resource, { fields, isRecursive: flags.bool('recursive') }));
    const document = await documentOf(call, resource);
    const { head, body } = explained(document, resource, { fields, isRecursive: flags.bool('recursive'), maxDepth });
    io.out(head);
    if (body === undefined) throw new VerbError(`error: field ${JSON.stringify(fields.at(-1))} does not exist`);
    io.out(`${body}\n`);
  },
};

/** The longest start of the text that names a type; the rest is a path of fields. */
async function meant(
  { cluster, flags }: VerbCall,
  text: string,
): Promise<{ resource: ServedResource; fields: string[] }> {
  const served = await cluster.resources();
  const parts = text.split('.');
  for (let end = parts.length; end > 0; end--) {
    const found = served.find(parts.slice(0, end).join('.'));
    if (!found) continue;
    const fields = parts.slice(end).filter(Boolean);
    const apiVersion = flags.string('api-version');
    if (!apiVersion) return { resource: found, fields };
    const other = served.all.find((each) => each.kind === found.kind && apiVersionOf(each) === apiVersion);
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    return { resource: other ?? { ...found, group, version }, fields };
  }
  throw new VerbError(`the server doesn't have a resource type ${JSON.stringify(parts[0])}`, { isBare: true });
}

async function documentOf({ cluster }: VerbCall, resource: ServedResource): Promise<OpenApiDocument> {
  const { paths } = await cluster.get<{ paths: Record<string, { serverRelativeURL: string }> }>('/openapi/v3');
  const name = pathOf({ ...resource, plural: '' }, {}).replace(/^\/|\/$/g, '');
  const found = paths[name];
  if (!found)
    throw new VerbError(
      `couldn't find resource for "${resource.group}/${resource.version}, Resource=${resource.plural}"`,
    );
  return cluster.get<OpenApiDocument>(found.serverRelativeURL);
}

interface Wanted {
  fields: readonly string[];
  isRecursive: boolean;
  maxDepth: number;
}

export function explained(
  document: OpenApiDocument,
  { group, version, kind }: Pick<ServedResource, 'group' | 'version' | 'kind'>,
  wanted: Wanted,
): { head: string; body: string | undefined } {
  const isIt = (gvk: Gvk) => (gvk.group ?? '') === group && gvk.version === version && gvk.kind === kind;
  const schema = Object.values(document.components?.schemas ?? {}).find((each) =>
    each['x-kubernetes-group-version-kind']?.some(isIt),
  );
  if (!schema)
    throw new VerbError(`error: GVK map[group:${group} kind:${kind} version:${version}] not found in OpenAPI schema`);
  const head = `${group ? `GROUP:      ${group}\n` : ''}KIND:       ${kind}\nVERSION:    ${version}\n\n`;
  return { head, body: new Explainer(document, wanted).output(schema, wanted.fields, []) };
}

const MOST_ENUMS = 4;

class Explainer {
  readonly #document: OpenApiDocument;
  readonly #wanted: Wanted;

  constructor(document: OpenApiDocument, wanted: Wanted) {
    this.#document = document;
    this.#wanted = wanted;
  }

  /** undefined when there is no such field. `seen`: what led here, so that a kind that holds itself comes to an end. */
  output(schema: Schema, fields: readonly string[], seen: readonly string[]): string | undefined {
    const { $ref = '' } = schema;
    const resolved = this.#resolved(schema);
    const [first, ...rest] = fields;
    if (first === undefined) return this.#whole(resolved);
    if ($ref && seen.includes($ref)) return undefined;
    const next = $ref ? [...seen, $ref] : seen;
    const own = resolved.properties?.[first];
    if (own)
      return `${rest.length === 0 ? this.#fieldHead(first, own) : ''}${this.output(own, rest, []) ?? ''}` || undefined;
    if (resolved.items) return this.output(resolved.items, fields, next);
    const values = valuesOf(resolved);
    if (values) return this.output(values, fields, next);
    for (const each of resolved.allOf ?? []) {
      const text = this.output(each, fields, next);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  #fieldHead(name: string, schema: Schema): string {
    const list = schema.enum?.length ? `ENUM:${schema.enum.map((each) => `\n    ${enumText(each)}`).join('')}` : '';
    return `FIELD: ${name} <${this.#typeOf(schema)}>\n${list}\n\n`;
  }

  #whole(schema: Schema): string {
    const fields = this.#fieldList(schema, 1, []);
    const description = this.#description(schema) || '<empty>';
    return `DESCRIPTION:\n${indented(wrapped(description, 76), 4)}\n${fields ? `FIELDS:\n${fields}` : ''}`;
  }

  #description(schema: Schema): string {
    const resolved = this.#resolved(schema);
    const values = valuesOf(resolved);
    return [
      resolved.description ? `${resolved.description}\n` : '',
      ...(resolved.allOf ?? []).map((each) => this.#description(each)),
      resolved.items ? this.#description(resolved.items) : '',
      values ? this.#description(values) : '',
    ].join('');
  }

  #fieldList(schema: Schema, level: number, seen: readonly string[]): string {
    const { $ref = '' } = schema;
    if ($ref && seen.includes($ref)) return '';
    const next = $ref ? [...seen, $ref] : seen;
    const resolved = this.#resolved(schema);
    const { isRecursive, maxDepth } = this.#wanted;
    const goesOn = isRecursive && (maxDepth === 0 || level < maxDepth);
    const own = Object.entries(resolved.properties ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([name, field]) => this.#field(resolved, name, level) + (goesOn ? this.#fieldList(field, level + 1, next) : ''),
      );
    const values = valuesOf(resolved);
    return [
      ...own,
      ...(resolved.allOf ?? []).map((each) => this.#fieldList(each, level, next)),
      resolved.items ? this.#fieldList(resolved.items, level, next) : '',
      values ? this.#fieldList(values, level, next) : '',
    ].join('');
  }

  #field(parent: Schema, name: string, level: number): string {
    const schema = parent.properties![name]!;
    const indent = level * 2;
    const required = parent.required?.includes(name) ? ' -required-' : '';
    const line = `${' '.repeat(indent)}${name}\t<${this.#typeOf(schema)}>${required}${enumLine(schema, indent)}\n`;
    if (this.#wanted.isRecursive) return line;
    return `${line}${indented(wrapped(schema.description || '<no description>', 78 - indent), indent + 2)}\n\n`;
  }

  #typeOf(schema: Schema): string {
    if (schema.items) return `[]${this.#typeOf(schema.items)}`;
    const values = valuesOf(schema);
    if (values) return `map[string]${this.#typeOf(values)}`;
    if (schema.allOf?.length === 1 && !schema.properties) return this.#typeOf(schema.allOf[0]!);
    if (!schema.$ref) return schema.type === 'object' ? 'Object' : (schema.type ?? 'Object');
    const target = this.#resolved(schema);
    if (target !== schema && target.type && target.type !== 'object') return target.type;
    return schema.$ref.split('/').at(-1)?.split('.').at(-1) || 'Object';
  }

  #resolved(schema: Schema): Schema {
    const name = schema.$ref?.slice('#/components/schemas/'.length);
    return (name && this.#document.components?.schemas?.[name]) || schema;
  }
}

const valuesOf = ({ additionalProperties }: Schema): Schema | undefined =>
  typeof additionalProperties === 'object' ? additionalProperties : undefined;

const enumText = (value: unknown): string => (value === '' ? '""' : String(value));

function enumLine(schema: Schema, indent: number): string {
  if (!schema.enum?.length) return '';
  const shown = schema.enum.slice(0, MOST_ENUMS).map(enumText).join(', ');
  return `\n${' '.repeat(indent)}enum: ${shown}${schema.enum.length > MOST_ENUMS ? ', ....' : ''}`;
}

const indented = (text: string, by: number): string => {
  const blanks = ' '.repeat(by);
  return blanks + text.replaceAll('\n', `\n${blanks}`);
};
