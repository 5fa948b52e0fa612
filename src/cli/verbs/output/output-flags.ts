/** `-o`: which form an object is printed in, for all commands that print objects. Source: cli-runtime, print flags. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import type { FlagSpec, Flags } from '../flags.ts';
import type { VerbIo } from '../verb.ts';
import { VerbError, whyNotRead } from '../verb-error.ts';
import { CustomColumnsPrinter, customColumns, customColumnsOfFile } from './custom-columns.ts';
import { GoTemplate } from './go-template.ts';
import { compactJson, formatJson } from './json.ts';
import { JsonPathTemplate } from './json-path-template.ts';
import { formatKyaml } from './kyaml.ts';

export const OUTPUT_FLAGS: readonly FlagSpec[] = [
  {
    name: 'output',
    short: 'o',
    type: 'string',
    summary:
      'json, yaml, kyaml, name, jsonpath=…, jsonpath-file=…, jsonpath-as-json=…, go-template=…, go-template-file=…',
  },
  { name: 'template', type: 'string', summary: 'the template of -o jsonpath and -o go-template' },
  {
    name: 'allow-missing-template-keys',
    type: 'bool',
    default: 'true',
    summary: 'say nothing of keys that are not there',
  },
  { name: 'show-managed-fields', type: 'bool', summary: 'keep managedFields in JSON and YAML' },
];

const FORMATS = [
  ...['go-template', 'go-template-file', 'json', 'jsonpath', 'jsonpath-as-json', 'jsonpath-file', 'kyaml', 'name'],
  ...['template', 'templatefile', 'yaml'],
];
export const GET_FORMATS = ['custom-columns', 'custom-columns-file', ...FORMATS, 'wide'].sort();

/** Prints objects and lists of them, one call after the other. */
export interface ObjectPrinter {
  print(object: unknown): string;
  /** Of a watch; where it is missing, an event is printed as an object is. */
  printEvent?(event: WatchedEvent): string;
}

export interface WatchedEvent {
  type: string;
  object: unknown;
}

/** undefined for '' and `wide`, which are tables. Throws VerbError for a form that there is not. */
export function objectPrinter(
  flags: Flags,
  io: VerbIo,
  formats: readonly string[] = FORMATS,
): ObjectPrinter | undefined {
  const output = flags.string('output');
  const [given = '', ...rest] = output.split('=');
  const format = given.toLowerCase();
  if (output === '' || (output === 'wide' && formats.includes('wide'))) return undefined;
  const argument = rest.length > 0 ? rest.join('=') : flags.string('template');
  if (!formats.includes(format)) throw unknownFormat(output, formats);
  const strip = flags.bool('show-managed-fields') ? (object: unknown) => object : withoutManagedFields;
  const file = () => templateIn(argument, { io, what: format.startsWith('custom') ? 'template' : '--template' });
  switch (format) {
    case 'json':
      return { print: (object) => formatJson(strip(object)), printEvent: jsonEvent };
    case 'yaml':
      return yamlPrinter(strip);
    case 'kyaml':
      return { print: (object) => formatKyaml(strip(object)) };
    case 'go-template':
    case 'template':
      return goTemplatePrinter(argument, flags);
    case 'go-template-file':
    case 'templatefile':
      return goTemplatePrinter(argument && file(), flags);
    case 'name':
      return { print: nameOf, printEvent: ({ object }) => nameOf(object) };
    case 'custom-columns':
    case 'custom-columns-file': {
      const columns = format === 'custom-columns' ? customColumns(argument) : customColumnsOfFile(file());
      const printer = new CustomColumnsPrinter(columns, !flags.bool('no-headers'));
      return { print: (object) => printer.print(itemsOf(object) ?? [object]) };
    }
    default:
      return jsonPathPrinter(format, format === 'jsonpath-file' ? file() : argument);
  }
}

/** On one line, though objects have many. */
const jsonEvent = ({ type, object }: WatchedEvent): string =>
  `{"type":${JSON.stringify(type)},"object":${compactJson(object)}}\n`;

function templateIn(path: string, { io, what }: { io: VerbIo; what: string }): string {
  try {
    return readFileSync(resolve(io.folder, path), 'utf8');
  } catch (error) {
    throw new VerbError(`error reading ${what} ${path}, ${whyNotRead(path, error)}`);
  }
}

function jsonPathPrinter(format: string, source: string): ObjectPrinter {
  if (!source) throw new VerbError('template format specified but no template given');
  const template = new JsonPathTemplate(source);
  return { print: (object) => (format === 'jsonpath-as-json' ? template.printAsJson(object) : template.print(object)) };
}

function goTemplatePrinter(source: string, flags: Flags): ObjectPrinter {
  if (!source) throw new VerbError('template format specified but no template given');
  const template = new GoTemplate(source, { allowMissing: flags.bool('allow-missing-template-keys') });
  return { print: (object) => template.print(object) };
}

function yamlPrinter(strip: (object: unknown) => unknown): ObjectPrinter {
  let count = 0;
  return {
    print(object) {
      count += 1;
      return `${count > 1 ? '---\n' : ''}${formatYaml(strip(object))}`;
    },
  };
}

export const unknownFormat = (output: string, formats: readonly string[]): VerbError =>
  new VerbError(
    `unable to match a printer suitable for the output format ${JSON.stringify(output)}, allowed formats are: ${formats.join(',')}`,
  );

interface Printed {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; managedFields?: unknown };
  items?: unknown[];
}

/** The items, if it is a list. */
export const itemsOf = (object: unknown): unknown[] | undefined => {
  const { kind = '', items } = object as Printed;
  return kind.endsWith('List') && Array.isArray(items) ? items : undefined;
};

export function withoutManagedFields(object: unknown): unknown {
  const items = itemsOf(object);
  if (items) return { ...(object as Printed), items: items.map(withoutManagedFields) };
  const { metadata, ...rest } = object as Printed;
  if (!metadata || !('managedFields' in metadata)) return object;
  const { managedFields, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

/** `pod/web`, `deployment.apps/web`; a line for each item of a list. */
export function nameOf(object: unknown): string {
  const items = itemsOf(object);
  if (items) return items.map(nameOf).join('');
  return `${resourceNameOf(object)}\n`;
}

export function resourceNameOf(object: unknown): string {
  const { apiVersion = '', kind = '', metadata } = object as Printed;
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : '';
  return `${`${kind}${group}`.toLowerCase()}/${metadata?.name ?? ''}`;
}

/**
 * What a command that changes an object says: the object with `-o`, else `pod/web created`.
 * Source: cli-runtime, PrintFlags with an operation.
 */
export function resultPrinter(flags: Flags, io: VerbIo): (object: unknown, operation: string) => string {
  const printer = objectPrinter(flags, io);
  return (object, operation) => printer?.print(object) ?? `${resourceNameOf(object)} ${operation}\n`;
}
