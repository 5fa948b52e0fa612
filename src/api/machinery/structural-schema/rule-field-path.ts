/**
 * `fieldPath` of a rule: the field below the rule's own place that an error shall name. Source: "Extend the Kubernetes
 * API with CustomResourceDefinitions", field paths of validation rules; what is accepted as upstream's ValidFieldPath.
 */
import { type JSONSchemaProps, propertyOf, under, valuesOf } from './schema-parts.ts';

/** As errors print it: `spec.ports[http]`. undefined for what is no path, or leads to nothing that the schema knows. */
export function readFieldPath(text: string, schema: JSONSchemaProps): string | undefined {
  const steps = stepsOf(text);
  if (!steps) return undefined;
  let path = '';
  let found: JSONSchemaProps | undefined = schema;
  for (const name of steps) {
    const isField: boolean = found?.properties !== undefined;
    path = isField ? under(path, name) : `${path}[${name}]`;
    found = found && (isField ? propertyOf(found, name) : valuesOf(found));
    if (!found) return undefined;
  }
  return path;
}

/** Names one below the other; undefined for what is no path of names: `.a['b.c'].d`. */
function stepsOf(text: string): string[] | undefined {
  const steps: string[] = [];
  const rest = tokensOf(text);
  for (let token = rest.next(); !token.done; token = rest.next()) {
    const name = token.value === '.' ? plainName(rest) : token.value === '[' ? quotedName(rest) : undefined;
    if (name === undefined) return undefined;
    steps.push(name);
  }
  return steps;
}

type Tokens = Iterator<string, undefined>;

const plainName = (tokens: Tokens): string | undefined => tokens.next().value;

function quotedName(tokens: Tokens): string | undefined {
  const quoted = tokens.next().value ?? '';
  const isQuoted = quoted.length > 1 && quoted.startsWith("'") && quoted.endsWith("'");
  return isQuoted && tokens.next().value === ']' ? unescaped(quoted.slice(1, -1)) : undefined;
}

/** `.`, `[`, `]`, a text in single quotes, or what stands between those. */
function* tokensOf(text: string): Generator<string, undefined> {
  const token = /'(?:[^'\\]|\\.)*'|[.[\]]|[^.[\]]+/gsy;
  for (let match = token.exec(text); match; match = token.exec(text)) yield match[0];
  return undefined;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ["'", "'"],
  ['\\', '\\'],
]);

function unescaped(text: string): string | undefined {
  let isKnown = true;
  const plain = text.replace(/\\(.)/gs, (_, letter: string) => {
    isKnown &&= ESCAPES.has(letter);
    return ESCAPES.get(letter) ?? '';
  });
  return isKnown ? plain : undefined;
}
