/**
 * How the names of properties are written in expressions. Source: Kubernetes documentation, "Validation rules", table of
 * escape sequences.
 */

const RESERVED: ReadonlySet<string> = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return var void ' +
    'while'
  ).split(' '),
);

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ESCAPABLE = /^[A-Za-z_./-][A-Za-z0-9_./-]*$/;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['__', '__underscores__'],
  ['.', '__dot__'],
  ['-', '__dash__'],
  ['/', '__slash__'],
]);
const UNESCAPES = new Map([...ESCAPES].map(([plain, escaped]) => [escaped.slice(2, -2), plain]));

/** `a-b.c` → `a__dash__b__dot__c`, `namespace` → `__namespace__`; undefined when the name cannot be written at all. */
export function escapeName(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (PLAIN.test(name) && !name.includes('__')) return name;
  if (!ESCAPABLE.test(name)) return undefined;
  return name.replace(/__|[-./]/g, (part) => ESCAPES.get(part)!);
}

/** The property's own name; undefined when the escapes in it are none. */
export function unescapeName(escaped: string): string | undefined {
  if (!escaped.includes('__')) return escaped;
  let isKnown = true;
  const name = escaped.replace(/__[^_]+__/g, (part) => {
    const word = part.slice(2, -2);
    const plain = UNESCAPES.get(word) ?? (RESERVED.has(word) && part === escaped ? word : undefined);
    isKnown &&= plain !== undefined;
    return plain ?? '';
  });
  return isKnown ? name : undefined;
}

/** Words of the language that are no identifiers; in Kubernetes a field may still be named by one through its escape. */
export const isReserved = (word: string): boolean => RESERVED.has(word);
