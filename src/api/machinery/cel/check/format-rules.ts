/** `'%d'.format(['a'])`: a format and a list that stand in the source are looked at when the expression is compiled. */
import type { CelType } from '../cel-type.ts';
import { type Clause, COMPLAINTS, outOfRange, parseFormat } from '../operations/format.ts';
import type { Call, Expr } from '../syntax/ast.ts';
import type { ParseError } from '../syntax/parser.ts';

type Types = ReadonlyMap<Expr, CelType>;

export function formatErrors({ name, target, args: [list], at }: Call, types: Types): ParseError[] {
  if (name !== 'format' || target?.kind !== 'literal' || list?.kind !== 'list') return [];
  const { parts, error } = parseFormat(String(target.value));
  const clauses = parts.filter((part) => typeof part !== 'string');
  const values = list.items.map(({ value }) => value);
  for (const [i, clause] of clauses.entries()) {
    const value = values[i];
    if (!value) return [{ at, message: outOfRange(i) }];
    const bad = badPart(clause, value, types);
    if (bad) return [{ at: bad.at, message: complaint(clause, types.get(bad)!) }];
  }
  if (error !== undefined)
    return [{ at, message: clauses.length < values.length ? error : outOfRange(clauses.length) }];
  if (values.length <= clauses.length) return [];
  const counts = `expected ${clauses.length}, got ${values.length}`;
  return [{ at, message: `too many arguments supplied to string.format (${counts})` }];
}

const complaint = ({ verb }: Clause, { name }: CelType): string =>
  `error during formatting: ${COMPLAINTS[verb]}, was given ${name}`;

const KINDS: Readonly<Record<Clause['verb'], readonly CelType['kind'][]>> = {
  s: ['list', 'map', 'int', 'uint', 'double', 'bool', 'string', 'timestamp', 'bytes', 'duration', 'type', 'null'],
  d: ['int', 'uint'],
  f: ['double', 'string'],
  e: ['double', 'string'],
  b: ['int', 'uint', 'bool'],
  x: ['int', 'uint', 'string', 'bytes'],
  X: ['int', 'uint', 'string', 'bytes'],
  o: ['int', 'uint'],
};

/** The part of the value that the clause cannot show. */
function badPart(clause: Clause, value: Expr, types: Types): Expr | undefined {
  const { kind } = types.get(value)!;
  if (kind !== 'dyn' && !KINDS[clause.verb].includes(kind)) return value;
  if (clause.verb !== 's') return undefined;
  const parts =
    value.kind === 'list'
      ? value.items.map((item) => item.value)
      : value.kind === 'map'
        ? value.entries.flatMap((entry) => [entry.key, entry.value])
        : [];
  return parts.find((part) => badPart(clause, part, types));
}
