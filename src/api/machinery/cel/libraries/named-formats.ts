/** `format.dns1123Label().validate(x)`: the named formats of Kubernetes. */
import {
  asPrefix,
  type Complaints,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  qualifiedName,
} from '../../names.ts';
import { hasFormat } from '../../structural-schema/formats.ts';
import * as cel from '../cel-type.ts';
import { scaled, traversed } from '../cost/estimate-call.ts';
import { matching, PATTERN, sizeOf } from '../cost/size.ts';
import { type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import { List, Opaque, Optional, type Result, type Value } from '../value.ts';
import { nominal } from './costs.ts';
import { parseUrl } from './url-value.ts';

export const FORMAT = cel.objectNamed('kubernetes.NamedFormat');

class NamedFormat extends Opaque {
  readonly name: string;
  readonly complaints: (text: string) => Complaints;
  /** About how long its pattern is: the cost of a validation. */
  readonly patternLength: number;
  constructor(name: string, patternLength: number, complaints: (text: string) => Complaints) {
    super();
    this.name = name;
    this.patternLength = patternLength;
    this.complaints = complaints;
  }
  get type() {
    return FORMAT;
  }
  equals(other: Value): boolean {
    return other instanceof NamedFormat && other.name === this.name;
  }
}

const checked = (format: string, complaint: string) => (text: string) => (hasFormat(text, format) ? [] : [complaint]);

function uri(text: string): Complaints {
  const { error } = parseUrl(text);
  return error === undefined ? [] : [error];
}

const onPrefix = (rule: (text: string) => Complaints) => (text: string) => rule(asPrefix(text));

const FORMATS: ReadonlyMap<string, NamedFormat> = new Map(
  (
    [
      ['dns1123Label', 'DNS1123Label', 30, dns1123Label],
      ['dns1123Subdomain', 'DNS1123Subdomain', 60, dns1123Subdomain],
      ['dns1035Label', 'DNS1035Label', 30, dns1035Label],
      ['qualifiedName', 'QualifiedName', 60, qualifiedName],
      ['dns1123LabelPrefix', 'DNS1123LabelPrefix', 30, onPrefix(dns1123Label)],
      ['dns1123SubdomainPrefix', 'DNS1123SubdomainPrefix', 60, onPrefix(dns1123Subdomain)],
      ['dns1035LabelPrefix', 'DNS1035LabelPrefix', 30, onPrefix(dns1035Label)],
      ['labelValue', 'LabelValue', 40, labelValue],
      ['uri', 'URI', 1103, uri],
      ['uuid', 'uuid', 70, checked('uuid', 'does not match the UUID format')],
      ['byte', 'byte', 84, checked('byte', 'invalid base64')],
      ['date', 'date', 72, checked('date', 'invalid date')],
      ['datetime', 'datetime', 72, checked('datetime', 'invalid datetime')],
    ] as const
  ).map(([key, name, length, complaints]) => [key, new NamedFormat(name, length, complaints)]),
);

function named(name: string): Result {
  const format = FORMATS.get(name);
  return format ? new Optional(format) : Optional.none;
}

function validate(format: NamedFormat, text: string): Result {
  const complaints = format.complaints(text);
  return complaints.length === 0 ? Optional.none : new Optional(new List(complaints));
}

/** For the estimate any pattern is that long. */
const MAX_PATTERN = 128;

const functions: readonly FunctionDeclaration[] = [
  {
    name: 'validate',
    overloads: [member('format-validate', [FORMAT, cel.STRING], cel.optionalOf(cel.listOf(cel.STRING)), validate)],
    cost: ({ args: [format, text] }) =>
      format instanceof NamedFormat ? matching(sizeOf(text!), format.patternLength) : undefined,
    estimate: ({ args: [text] }) => text && { cost: scaled(traversed(text.size), MAX_PATTERN * PATTERN) },
  },
  {
    name: 'format.named',
    overloads: [overload('format-named', [cel.STRING], cel.optionalOf(FORMAT), named)],
    ...nominal,
  },
  ...[...FORMATS].map(([key, format]) => ({
    name: `format.${key}`,
    overloads: [overload(`format.${key}`, [], FORMAT, () => format)],
  })),
];

export const namedFormats: Library = { name: 'kubernetes.format', functions };
