/**
 * Many objects are made of one template: a controller hands in the very same specification with each of them, and who creates them
 * from outside sends the same again and again. It is read and given its defaults once; what comes out is shared by all of them, and
 * so is what admission makes of it.
 */
import { keepSame } from '#api/machinery/keep-same.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, withParts } from '#api/machinery/object.ts';
import { cloneRaw } from '#api/machinery/raw-value.ts';
import { isShared, share } from '#api/machinery/shared-parts.ts';
import { deepFreeze, isDeeplyFrozen } from '#base/deep-freeze.ts';

type Specified = KubeObject & { spec?: unknown };

/** By what was handed in, of which nobody can change any. */
const decodedSpecs = new WeakMap<object, { kind: Kind; spec: object }>();

/** What was handed in last that somebody could change, as it was then; shared when the same comes again. */
const lastSpecs = new WeakMap<Kind, { given: unknown; spec: object }>();

/** The same value with what its specification was decoded to before, if it was; `from` to have it left as it is. */
export function withDecodedSpec(kind: Kind, value: unknown) {
  const given = specIn(value);
  const spec = given && decodedSpecOf(kind, given);
  return spec && { value: withParts(value as Specified, { spec }), from: { spec } };
}

function decodedSpecOf(kind: Kind, given: object): object | undefined {
  const known = decodedSpecs.get(given);
  if (known) return known.kind === kind ? known.spec : undefined;
  const last = lastSpecs.get(kind);
  if (!last || !isAlike(given, last.given)) return undefined;
  return isShared(last.spec) ? last.spec : share(last.spec);
}

/** After a value without a fault was decoded. */
export function keepDecodedSpec(kind: Kind, value: unknown, { spec }: Specified): void {
  const given = specIn(value);
  if (!given || !isObject(spec) || !isKept(kind) || decodedSpecs.has(given)) return;
  if (isDeeplyFrozen(given)) decodedSpecs.set(given, { kind, spec: share(spec) });
  else if (sizeOf(given) <= LARGEST) lastSpecs.set(kind, { given: copyOf(given), spec: deepFreeze(spec) });
}

/**
 * A version that is not stored may have the rest of what is stored in annotations, and then goes by those. Questions are seldom
 * asked twice, and may hold a token that nobody is to keep.
 */
const isKept = ({ custom, hub, virtual }: Kind): boolean => !custom && !hub && !virtual;

function specIn(value: unknown): object | undefined {
  const spec = isObject(value) ? (value as Specified).spec : undefined;
  return isObject(spec) ? spec : undefined;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** In values and characters. Also what is refused afterwards is kept, of each kind: it is not to take much memory. */
const LARGEST = 32_768;
/** As deep as what is read may be. There may be more that is not looked into, beneath the schemas of a definition. */
const DEEPEST = 500;

function sizeOf(value: unknown, depthLeft = DEEPEST): number {
  if (typeof value === 'string') return value.length;
  if (!isObject(value)) return 1;
  if (depthLeft === 0) return Infinity;
  let size = 1;
  for (const [name, part] of Object.entries(value)) size += name.length + sizeOf(part, depthLeft - 1);
  return size;
}

const copyOf = (given: object): unknown => (cloneRaw(given, DEEPEST) as { value: unknown }).value;

/** Whether both are written as the same JSON: what is made of maps has their keys in the order in which they came. */
function isAlike(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  const [names, others] = [Object.keys(a), Object.keys(b)];
  if (names.length !== others.length) return false;
  return names.every((name, at) => name === others[at] && isAlike((a as Fields)[name], (b as Fields)[name]));
}

type Fields = Readonly<Record<string, unknown>>;

/** By what admission was asked about. */
const admittedSpecs = new WeakMap<object, object>();

/** Of a shared specification admission makes mostly the same again: then that is shared, too. */
export function withSpecAsAdmittedBefore<T extends KubeObject>(admitted: T, asked: T): T {
  const [{ spec }, { spec: before }] = [admitted, asked] as [Specified, Specified];
  if (spec === before || !isShared(before) || !isObject(spec)) return admitted;
  const known = admittedSpecs.get(before);
  const kept = keepSame(spec, known);
  if (kept !== known) admittedSpecs.set(before, deepFreeze(kept));
  else if (!isShared(kept)) share(kept);
  return kept === spec ? admitted : withParts(admitted, { spec: kept });
}
