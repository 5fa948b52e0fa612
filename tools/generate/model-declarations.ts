/**
 * What Go's reflection cannot say and kubernetes-models' `.d.ts` files do: which fields are required, which values an
 * enum has, and the prose (for `kubectl explain`; it goes into the build, never into the repository).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Declaration {
  description: string;
  fields: Map<string, { required: boolean; enumValues: string[] | undefined; description: string }>;
}

// The package's folder (kubernetes-models, or apimachinery beside it) of each of our packages.
const FOLDER_OF_GROUP: Record<string, string> = {
  core: '',
  admissionregistration: 'admissionregistration.k8s.io',
  apiextensions: 'apiextensions.k8s.io',
  apiregistration: 'apiregistration.k8s.io',
  authentication: 'authentication.k8s.io',
  authorization: 'authorization.k8s.io',
  certificates: 'certificates.k8s.io',
  coordination: 'coordination.k8s.io',
  discovery: 'discovery.k8s.io',
  events: 'events.k8s.io',
  flowcontrol: 'flowcontrol.apiserver.k8s.io',
  networking: 'networking.k8s.io',
  node: 'node.k8s.io',
  rbac: 'rbac.authorization.k8s.io',
  resource: 'resource.k8s.io',
  scheduling: 'scheduling.k8s.io',
  storage: 'storage.k8s.io',
};

/** All declarations of one of our packages (`core.v1`), by type name. Empty when the published package has none. */
export function declarationsOf(ourPackage: string, nodeModules: string): Map<string, Declaration> {
  const [group = '', version = ''] = ourPackage.split('.');
  const folder =
    group === 'meta'
      ? join(nodeModules, '@kubernetes-models/apimachinery/apis/meta', version)
      : join(nodeModules, 'kubernetes-models', FOLDER_OF_GROUP[group] ?? group, version);
  const found = new Map<string, Declaration>();
  if (!existsSync(folder)) return found;
  for (const file of readdirSync(folder)) {
    const name = /^([A-Z]\w*)\.d\.ts$/.exec(file)?.[1];
    const declaration = name && parseDeclaration(name, readFileSync(join(folder, file), 'utf8'));
    if (name && declaration) found.set(name, declaration);
  }
  return found;
}

function parseDeclaration(name: string, source: string): Declaration | undefined {
  const head = new RegExp(
    `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)?export interface I${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`,
  ).exec(source);
  if (!head) return undefined;
  const fields: Declaration['fields'] = new Map();
  // A field stands at one level of indentation; the parts of an inline object type stand deeper.
  const pattern = /^ {4}(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?"([^"]+)"(\?)?: ([\s\S]*?);$/gm;
  for (const [, description = '', field, optional, type = ''] of head[2]!.matchAll(pattern))
    fields.set(field!, { required: !optional, enumValues: enumOf(type), description: prose(description) });
  return { description: prose(head[1] ?? ''), fields };
}

function enumOf(type: string): string[] | undefined {
  const element = /^Array<(.*)>$/.exec(type)?.[1] ?? type;
  if (!/^"[^"]*"(?: \| "[^"]*")+$/.test(element)) return undefined;
  return [...element.matchAll(/"([^"]*)"/g)].map(([, value]) => value!);
}

const prose = (comment: string): string =>
  comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
