/** `kedge api-resources` and `kedge api-versions`: what the server serves. */
import { formatYaml } from '#api/machinery/yaml-output.ts';
import type { Flags } from './flags.ts';
import { structJson } from './output/json.ts';
import { structKyaml } from './output/kyaml.ts';
import { unknownFormat } from './output/output-flags.ts';
import { TABLE_TABS, aligned } from './output/tabs.ts';
import { apiVersionOf, groupResourceOf, type ServedResource } from './served-resources.ts';
import type { Verb } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';

const FORMATS = ['json', 'kyaml', 'name', 'wide', 'yaml'];

export const apiResourcesVerb: Verb = {
  name: 'api-resources',
  summary: 'list the types that the server serves',
  flags: [
    { name: 'output', short: 'o', type: 'string', summary: 'json, yaml, kyaml, name or wide' },
    { name: 'show-managed-fields', type: 'bool', summary: 'has no meaning here' },
    { name: 'namespaced', type: 'bool', default: 'true', summary: 'only those in namespaces; false for the others' },
    { name: 'api-group', type: 'string', summary: 'only of this group' },
    { name: 'verbs', type: 'list', summary: 'only what can all of this be done to' },
    { name: 'categories', type: 'list', summary: 'only of all these categories' },
    { name: 'no-headers', type: 'bool', summary: 'without the first line' },
    { name: 'sort-by', type: 'string', summary: 'name or kind' },
    { name: 'cached', type: 'bool', summary: 'has no meaning here' },
  ],
  async run({ flags, cluster, io, args, path }) {
    if (args.length > 0) throw unexpected(`unexpected arguments: [${args.join(' ')}]`, path);
    const print = printerFor(flags);
    if (!['', 'name', 'kind'].includes(flags.string('sort-by')))
      throw new VerbError('--sort-by accepts only name or kind');
    const { all } = await cluster.resources();
    io.out(
      print(
        firstOfEach(all)
          .filter(isWanted(flags))
          .sort(orderOf(flags.string('sort-by'))),
      ),
    );
  },
};

const isWanted =
  (flags: Flags) =>
  ({ isNamespaced, group, verbs, categories }: ServedResource): boolean =>
    (!flags.has('namespaced') || isNamespaced === flags.bool('namespaced')) &&
    (!flags.has('api-group') || group === flags.string('api-group')) &&
    flags.list('verbs').every((verb) => verbs.includes(verb)) &&
    flags.list('categories').every((category) => categories.includes(category));

type Printer = (shown: readonly ServedResource[]) => string;

/** Throws VerbError for a form that there is not. */
function printerFor(flags: Flags): Printer {
  const output = flags.string('output');
  switch (output.toLowerCase()) {
    case 'json':
      return (shown) => structJson(listOf(shown));
    case 'yaml':
      return (shown) => formatYaml(listOf(shown));
    case 'kyaml':
      return (shown) => structKyaml(listOf(shown));
  }
  if (output === 'name') return (shown) => shown.map((each) => `${groupResourceOf(each)}\n`).join('');
  if (output === '' || output === 'wide')
    return (shown) => tableOf(shown, { isWide: output === 'wide', hasHeaders: !flags.bool('no-headers') });
  throw unknownFormat(output, FORMATS);
}

function tableOf(shown: readonly ServedResource[], { isWide, hasHeaders }: { isWide: boolean; hasHeaders: boolean }) {
  const headers = [
    'NAME',
    'SHORTNAMES',
    'APIVERSION',
    'NAMESPACED',
    'KIND',
    ...(isWide ? ['VERBS', 'CATEGORIES'] : []),
  ];
  const rows = shown.map((each) => [
    each.plural,
    each.shortNames.join(','),
    apiVersionOf(each),
    String(each.isNamespaced),
    each.kind,
    ...(isWide ? [each.verbs.join(','), each.categories.join(',')] : []),
  ]);
  const lines = hasHeaders ? [headers, ...rows] : rows;
  return aligned(lines.map((line) => `${line.join('\t')}\n`).join(''), TABLE_TABS);
}

/** As discovery before it was aggregated tells one group; fields in the order of its type. */
const listOf = (shown: readonly ServedResource[]) => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: '',
  resources:
    shown.length === 0
      ? null
      : shown.map(({ plural, singular, isNamespaced, group, version, kind, verbs, shortNames, categories }) => ({
          name: plural,
          singularName: singular,
          namespaced: isNamespaced,
          ...(group && { group }),
          version,
          kind,
          verbs,
          ...(shortNames.length > 0 && { shortNames }),
          ...(categories.length > 0 && { categories }),
        })),
});

/** Discovery has each group's preferred version first. */
function firstOfEach(all: readonly ServedResource[]): ServedResource[] {
  const seen = new Map<string, string>();
  return all.filter((each) => {
    if (!seen.has(each.group)) seen.set(each.group, each.version);
    return seen.get(each.group) === each.version && each.verbs.length > 0;
  });
}

const orderOf = (by: string) => (a: ServedResource, b: ServedResource) => {
  if (by === 'name') return compare(a.plural, b.plural);
  if (by === 'kind') return compare(a.kind, b.kind);
  return compare(a.group, b.group) || compare(a.plural, b.plural);
};
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const apiVersionsVerb: Verb = {
  name: 'api-versions',
  summary: 'list the groups and versions that the server serves',
  async run({ cluster, io, args, path }) {
    if (args.length > 0) throw unexpected(`unexpected arguments: [${args.join(' ')}]`, path);
    const { all } = await cluster.resources();
    const versions = [...new Set(all.map(apiVersionOf))].sort();
    io.out(versions.map((version) => `${version}\n`).join(''));
  },
};
