/** `kedge explain -o plaintext-openapiv2`: what fields mean, from the server's OpenAPI v2. Source: kubectl, pkg/explain. */
import type { ServedResource } from './served-resources.ts';
import { apiVersionOf } from './served-resources.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

interface Schema {
  $ref?: string;
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}

type Definitions = Record<string, Schema>;

/** Throws VerbError when there is no such kind or field. */
export async function explainedByV2(
  { cluster }: VerbCall,
  resource: ServedResource,
  { fields, isRecursive }: { fields: readonly string[]; isRecursive: boolean },
): Promise<string> {
  const { definitions } = await cluster.get<{ definitions: Definitions }>('/openapi/v2');
  const { group, version, kind } = resource;
  const schema = Object.values(definitions).find((each) =>
    each['x-kubernetes-group-version-kind']?.some(
      (gvk) => gvk.group === group && gvk.version === version && gvk.kind === kind,
    ),
  );
  if (!schema) throw new VerbError(`couldn't find resource for "${group}/${version}, Kind=${kind}"`);
  const head = `KIND:     ${kind}\nVERSION:  ${apiVersionOf(resource)}\n\n`;
  const explainer = new Explainer(definitions);
  return head + explainer.model(explainer.lookup(schema, fields), { name: fields.at(-1) ?? '', isRecursive });
}

const WIDTH = 80;

class Explainer {
  readonly #definitions: Definitions;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  /** What a path of fields leads to; what stands below a scalar is that scalar. */
  lookup(schema: Schema, path: readonly string[]): Schema {
    const [first, ...rest] = path;
    if (first === undefined) return schema;
    const inner = this.#inner(schema);
    if (inner) return this.lookup(inner, path);
    if (!schema.properties) return schema;
    if (!Object.hasOwn(schema.properties, first)) throw new VerbError(`field ${JSON.stringify(first)} does not exist`);
    return this.lookup(schema.properties[first]!, rest);
  }

  model(schema: Schema, { name, isRecursive }: { name: string; isRecursive: boolean }): string {
    const descriptions = [schema.description ?? ''];
    let last = schema;
    for (let inner = this.#inner(last); inner; inner = this.#inner(last)) {
      last = inner;
      descriptions.push(last.description ?? '');
    }
    const type = `<${this.#typeOf(schema)}>`;
    if (!last.properties) {
      const field = last.type && last.type !== 'object' ? `FIELD:    ${name} ${type}\n\n` : '';
      return field + described(descriptions);
    }
    const fields = isRecursive ? this.#names(last, 3, []) : this.#fields(last);
    return `${name ? `RESOURCE: ${name} ${type}\n\n` : ''}${described(descriptions)}\nFIELDS:\n${fields}`;
  }

  #fields({ properties = {}, required = [] }: Schema): string {
    return Object.keys(properties)
      .sort()
      .map((name) => {
        const field = properties[name]!;
        const line = `   ${name}\t<${this.#typeOf(field)}>${required.includes(name) ? ' -required-' : ''}\n`;
        return `${line}${linesOf(field.description ?? '', 5)}\n`;
      })
      .join('');
  }

  /** `seen`: what led here, so that a kind that holds itself comes to an end. */
  #names(schema: Schema, indent: number, seen: readonly string[]): string {
    const { $ref } = schema;
    if ($ref && seen.includes($ref)) return '';
    const next = $ref ? [...seen, $ref] : seen;
    const inner = this.#inner(schema);
    if (inner) return this.#names(inner, indent, next);
    const { properties = {} } = schema;
    return Object.keys(properties)
      .sort()
      .map((name) => {
        const field = properties[name]!;
        return `${' '.repeat(indent)}${name}\t<${this.#typeOf(field)}>\n${this.#names(field, indent + 3, next)}`;
      })
      .join('');
  }

  #typeOf(schema: Schema): string {
    if (schema.$ref) return this.#typeOf(this.#inner(schema)!);
    if (schema.properties) return 'Object';
    const inner = this.#inner(schema);
    if (schema.type === 'array') return `[]${inner ? this.#typeOf(inner) : ''}`;
    if (schema.type === 'object') return `map[string]${inner ? this.#typeOf(inner) : ''}`;
    return schema.type ?? '';
  }

  /** What a reference, a list or a map is of. */
  #inner({ $ref, properties, items, additionalProperties }: Schema): Schema | undefined {
    if ($ref) return this.#definitions[$ref.slice('#/definitions/'.length)] ?? {};
    if (properties) return undefined;
    return items ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
  }
}

function described(descriptions: readonly string[]): string {
  const told = descriptions.map((text, index) => text && `${index > 0 ? '\n' : ''}${linesOf(text, 5)}`).join('');
  return `DESCRIPTION:\n${told || '     <empty>\n'}`;
}

const linesOf = (text: string, indent: number): string =>
  foldedLines(text, WIDTH - indent)
    .map((line) => (line === '' ? '\n' : `${' '.repeat(indent)}${line}\n`))
    .join('');

/** Lines of at most so many bytes; empty lines, code and the beginnings of list items stay where they are. */
function foldedLines(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  let lastWord = '';
  const flush = () => {
    if (line === '') return;
    lines.push(line);
    [line, lastWord] = ['', ''];
  };
  for (const given of text.split('\n')) {
    const isCode = given.startsWith('    ');
    const isEmpty = given.trim() === '';
    if (isCode || (isEmpty && lines.length > 0)) {
      flush();
      lines.push(isCode ? given : '');
      continue;
    }
    if (lastWord.endsWith(':') || isEmpty || /^(\d+\.?|-|\*)\s/.test(given.trim())) flush();
    for (const word of given.split(/\s+/).filter(Boolean)) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && Buffer.byteLength(longer) > width) {
        flush();
        line = word;
      } else line = longer;
      lastWord = word;
    }
  }
  flush();
  return lines;
}
