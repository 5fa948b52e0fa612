/**
 * Paths of fields that have the shape of the object: `at.spec.ports[0].name` compiles only when there is such a field and
 * reads as `spec.ports[0].name`. So no path in a message is typed by hand.
 */

/** A path; `String(path)` is what a message shows. */
export interface Path {
  [Symbol.toPrimitive](hint: string): string;
}

export type At<T> = Path &
  (T extends readonly (infer Item)[]
    ? { readonly [index: number]: At<NonNullable<Item>> }
    : T extends object
      ? { readonly [Key in keyof T]-?: At<NonNullable<T[Key]>> }
      : unknown);

/** The path at which an object of type T begins: `root<Pod>()` for a whole object. */
export const root = <T>(path = ''): At<T> => node(path) as At<T>;

/** The path of one entry of a map: `metadata.labels[app]`. */
export const keyed = <V>(map: At<Record<string, V>>, key: string): At<V> => node(`${String(map)}[${key}]`) as At<V>;

/** What stands behind a path's proxy. Children are kept, so that the paths of a kind are made once and not for each object. */
interface Node {
  path: string;
  children: Map<string, Path> | undefined;
}

/** List places beyond are made anew each time: a long list must not leave its paths behind. */
const KEPT_PLACES = 8;

const handler: ProxyHandler<Node> = {
  get(target, name) {
    if (name === Symbol.toPrimitive || name === 'toString') return () => target.path;
    if (typeof name !== 'string') return undefined;
    const kept = target.children?.get(name);
    if (kept) return kept;
    const isPlace = /^\d+$/.test(name);
    const child = node(isPlace ? `${target.path}[${name}]` : target.path ? `${target.path}.${name}` : name);
    if (!isPlace || Number(name) < KEPT_PLACES) {
      target.children ??= new Map();
      target.children.set(name, child);
    }
    return child;
  },
};

const node = (path: string): Path => new Proxy<Node>({ path, children: undefined }, handler) as unknown as Path;
