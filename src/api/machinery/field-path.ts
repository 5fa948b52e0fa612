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

function node(path: string): Path {
  const child = (name: string) => (/^\d+$/.test(name) ? `${path}[${name}]` : path ? `${path}.${name}` : name);
  return new Proxy(NOTHING, {
    get: (_, name) => {
      if (name === Symbol.toPrimitive || name === 'toString') return () => path;
      return typeof name === 'string' ? node(child(name)) : undefined;
    },
  }) as Path;
}

const NOTHING = Object.freeze(Object.create(null));
