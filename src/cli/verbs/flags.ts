/**
 * Flags as kubectl reads them: anywhere among the arguments, `--name value`, `--name=value`, `-n value`, `-nvalue`, several
 * letters behind one dash, `--` for the end. Texts of refusals are those that its users know. Source: spf13/pflag.
 */
import { int32In, int64In } from './integers.ts';
import { VerbError } from './verb-error.ts';

export interface FlagSpec {
  name: string;
  short?: string;
  type: 'bool' | 'string' | 'list' | 'repeated' | 'pairs' | 'int' | 'int32' | 'duration';
  default?: string;
  /** The value when the flag stands alone, as in `--dry-run`. */
  bare?: string;
  summary: string;
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** undefined for what says neither. */
export const truthOf = (text: string): boolean | undefined =>
  TRUE.includes(text) ? true : FALSE.includes(text) ? false : undefined;

export class Flags {
  readonly #specs: ReadonlyMap<string, FlagSpec>;
  readonly #given = new Map<string, string[]>();

  constructor(specs: readonly FlagSpec[]) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
  }

  set(name: string, value: string): void {
    const spec = this.#spec(name);
    refuseIfUnreadable(spec, value);
    const before = MANY.has(spec.type) ? (this.#given.get(name) ?? []) : [];
    this.#given.set(name, [...before, ...valuesIn(spec, value)]);
  }

  /** As they are for what knows only `specs`: other flags of those names that a command has are none of them. */
  withoutShadowing(specs: readonly FlagSpec[]): Flags {
    const flags = new Flags(specs);
    for (const spec of specs) {
      const given = this.#specs.get(spec.name) === spec ? this.#given.get(spec.name) : undefined;
      if (given) flags.#given.set(spec.name, given);
    }
    return flags;
  }

  /** The flag was given, whatever its value. */
  has(name: string): boolean {
    this.#spec(name);
    return this.#given.has(name);
  }

  bool(name: string): boolean {
    return truthOf(this.string(name)) ?? false;
  }

  /** '' when it was not given and has no default. */
  string(name: string): string {
    return this.#given.get(name)?.at(-1) ?? this.#spec(name).default ?? '';
  }

  list(name: string): readonly string[] {
    return this.#given.get(name) ?? (this.#spec(name).default ? [this.#spec(name).default!] : []);
  }

  /** Of `KEY=VALUE,…`; the last value of a key counts. */
  pairs(name: string): Record<string, string> {
    const pairs = this.list(name).filter((pair) => pair !== '');
    return Object.fromEntries(pairs.map((pair) => halves(pair).map((half) => half.trim())));
  }

  int(name: string): number {
    return Number(this.string(name) || 0);
  }

  int64(name: string): bigint {
    return int64In(this.string(name) || '0') ?? 0n;
  }

  /** Milliseconds. A bare number is a number of seconds, as kubectl takes it for `--timeout`. */
  milliseconds(name: string): number {
    return durationOf(this.string(name)) ?? 0;
  }

  #spec(name: string): FlagSpec {
    const spec = this.#specs.get(name);
    if (!spec) throw new Error(`the command has no flag --${name}`);
    return spec;
  }
}

function halves(pair: string): [key: string, value: string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** An empty list is one of nothing. */
function valuesIn({ type }: FlagSpec, text: string): string[] {
  if (type !== 'list' && type !== 'pairs') return [text];
  return text === '' ? [] : text.split(',');
}

const MANY: ReadonlySet<FlagSpec['type']> = new Set(['list', 'repeated', 'pairs'] as const);

function refuseIfUnreadable({ name, short, type }: FlagSpec, value: string): void {
  const flag = short ? `-${short}, --${name}` : `--${name}`;
  const refuse = (why: string): never => {
    throw new VerbError(`invalid argument ${JSON.stringify(value)} for ${JSON.stringify(flag)} flag: ${why}`, {
      isUsage: true,
    });
  };
  const quoted = JSON.stringify(value);
  if (type === 'bool' && truthOf(value) === undefined) refuse(`strconv.ParseBool: parsing ${quoted}: invalid syntax`);
  if (type === 'pairs' && value.split(',').some((pair) => pair !== '' && !pair.includes('=')))
    refuse('malformed pair, expect string=string');
  if ((type === 'int' && int64In(value) === undefined) || (type === 'int32' && int32In(value) === undefined))
    refuse(
      `strconv.ParseInt: parsing ${quoted}: ${/^[-+]?\d+$/.test(value) ? 'value out of range' : 'invalid syntax'}`,
    );
  if (type === 'duration' && durationOf(value) === undefined) {
    const isNumber = /^[-+]?[\d.]+$/.test(value);
    refuse(isNumber ? `time: missing unit in duration ${quoted}` : `time: invalid duration ${quoted}`);
  }
}

const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's notation, `1h2m3.5s`; 0 needs no unit. Milliseconds. */
export function durationOf(text: string): number | undefined {
  if (/^[-+]?0$/.test(text)) return 0;
  const [, sign, rest = ''] = /^([-+]?)((?:[\d.]+(?:ns|us|µs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (rest === '') return undefined;
  const parts = [...rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)];
  const sum = parts.reduce((total, [, amount, unit]) => total + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0);
  return sign === '-' ? -sum : sum;
}

export interface Parsed {
  flags: Flags;
  args: readonly string[];
  /** How many of `args` stood before `--`; undefined when there was none. */
  argsBeforeDash: number | undefined;
}

/** Throws VerbError with kubectl's text. */
export function parseArguments(specs: readonly FlagSpec[], argv: readonly string[]): Parsed {
  return new Reader(specs, argv).read();
}

class Reader {
  readonly #flags: Flags;
  readonly #byName: ReadonlyMap<string, FlagSpec>;
  readonly #byShort: ReadonlyMap<string, FlagSpec>;
  readonly #rest: string[];
  readonly #args: string[] = [];

  constructor(specs: readonly FlagSpec[], argv: readonly string[]) {
    this.#flags = new Flags(specs);
    this.#byName = new Map(specs.map((spec) => [spec.name, spec]));
    this.#byShort = new Map(specs.flatMap((spec) => (spec.short ? [[spec.short, spec]] : [])));
    this.#rest = [...argv];
  }

  read(): Parsed {
    for (let word = this.#rest.shift(); word !== undefined; word = this.#rest.shift()) {
      if (word === '--') {
        const argsBeforeDash = this.#args.length;
        return { flags: this.#flags, args: [...this.#args, ...this.#rest], argsBeforeDash };
      }
      if (word.startsWith('--')) this.#long(word.slice(2));
      else if (word.startsWith('-') && word !== '-') this.#letters(word.slice(1));
      else this.#args.push(word);
    }
    return { flags: this.#flags, args: this.#args, argsBeforeDash: undefined };
  }

  #long(word: string): void {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const spec = this.#byName.get(name);
    if (!spec) throw usage(`unknown flag: --${name}`);
    this.#flags.set(name, this.#valueOf(spec, equals < 0 ? undefined : word.slice(equals + 1), `--${name}`));
  }

  #letters(word: string): void {
    for (let rest = word; rest !== ''; ) {
      const letter = rest[0]!;
      const spec = this.#byShort.get(letter);
      if (!spec) throw usage(`unknown shorthand flag: '${letter}' in -${rest}`);
      const behind = rest.slice(1);
      if (behind.startsWith('=')) {
        this.#flags.set(spec.name, behind.slice(1));
        return;
      }
      if (bareValueOf(spec) === undefined) {
        const value = behind || this.#rest.shift();
        if (value === undefined) throw usage(`flag needs an argument: '${letter}' in -${rest}`);
        this.#flags.set(spec.name, value);
        return;
      }
      this.#flags.set(spec.name, bareValueOf(spec)!);
      rest = behind;
    }
  }

  #valueOf(spec: FlagSpec, given: string | undefined, flag: string): string {
    const value = given ?? bareValueOf(spec) ?? this.#rest.shift();
    if (value === undefined) throw usage(`flag needs an argument: ${flag}`);
    return value;
  }
}

const bareValueOf = ({ type, bare }: FlagSpec): string | undefined => bare ?? (type === 'bool' ? 'true' : undefined);

const usage = (message: string): VerbError => new VerbError(message, { isUsage: true });
