/** What one evaluation of a rule costs, and how long the most expensive one that is allowed holds the thread. */
import { dynType } from '#api/machinery/cel/declared-type.ts';
import { environment } from '#api/machinery/cel/environment.ts';
import { schemaType } from '#api/machinery/cel/schema-type.ts';
import type { Bench } from './bench.ts';
import { type Row, sizeRow, timesRow } from './row.ts';

const RULES: readonly (readonly [string, string])[] = [
  ['compare two fields', 'self.replicas <= self.max'],
  ['a text begins with', "self.replicas <= self.max && self.name.startsWith('abc')"],
  ['a pattern', "self.name.matches('^[a-z-]+$')"],
  ['ten items, two comparisons each', 'self.list.all(x, x.port > 0 && x.port < 65536)'],
];
const TURNS = 200_000;
const WARM_UP = 20_000;

const text = { type: 'string' };
const integer = { type: 'integer' };
const item = { type: 'object', properties: { name: text, port: integer } };
const schema = {
  type: 'object',
  properties: { replicas: integer, max: integer, name: text, list: { type: 'array', items: item } },
};

export async function run(bench: Bench): Promise<Row[]> {
  const self = {
    replicas: 3,
    max: 10,
    name: 'abc-def',
    list: Array.from({ length: 10 }, (_, i) => ({ name: `n${i}`, port: i + 1 })),
  };
  const env = environment({ variables: { self: schemaType(schema)! } });
  const rows = RULES.map(([name, rule]) => {
    bench.say(name);
    const { program } = env.compile(rule);
    const turn = () => program!.evaluate({ self });
    for (let i = 0; i < WARM_UP; i++) turn();
    const startMs = performance.now();
    for (let i = 0; i < TURNS; i++) turn();
    return sizeRow(`cel/${name}`, 'µs', { value: ((performance.now() - startMs) * 1000) / TURNS });
  });
  return [...rows, worst(bench)];
}

/** A million units: the limit of one evaluation. */
function worst(bench: Bench): Row {
  bench.say('a rule that uses up its costs');
  const { program } = environment({ variables: { object: dynType } }).compile(
    'object.all(x, object.all(y, x != y || x == y))',
  );
  const object = Array.from({ length: 2000 }, (_, i) => i);
  const times = Array.from({ length: 20 }, () => {
    const startMs = performance.now();
    program!.evaluate({ object });
    return performance.now() - startMs;
  });
  return timesRow('cel/a rule that uses up its costs', times);
}
