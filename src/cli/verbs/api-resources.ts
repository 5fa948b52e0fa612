/** `kedge api-resources` and `kedge api-versions`: what the server serves. */
import { TABLE_TABS, aligned } from './output/tabs.ts';
import { apiVersionOf, groupResourceOf, type ServedResource } from './served-resources.ts';
import type { Verb } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';

export const apiResourcesVerb: Verb = {
  name: 'api-resources',
  summary: 'list the types that the server serves',
  flags: [
    { name: 'output', short: 'o', type: 'string', summary: 'wide or name' },
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
    if (!['', 'name', 'kind'].includes(flags.string('sort-by')))
      throw new VerbError('--sort-by accepts only name or kind');
    const { all } = await cluster.resources();
    const output = flags.string('output');
    if (!['', 'wide', 'name'].includes(output)) throw new VerbError(`--output ${output} is not available`);
    const shown = firstOfEach(all)
      .filter((each) => !flags.has('namespaced') || each.isNamespaced === flags.bool('namespaced'))
      .filter(({ group }) => !flags.has('api-group') || group === flags.string('api-group'))
      .filter(({ verbs }) => flags.list('verbs').every((verb) => verbs.includes(verb)))
      .filter(({ categories }) => flags.list('categories').every((category) => categories.includes(category)))
      .sort(orderOf(flags.string('sort-by')));
    if (output === 'name') return io.out(shown.map((each) => `${groupResourceOf(each)}\n`).join(''));
    const isWide = output === 'wide';
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
    const lines = flags.bool('no-headers') ? rows : [headers, ...rows];
    io.out(aligned(lines.map((line) => `${line.join('\t')}\n`).join(''), TABLE_TABS));
  },
};

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
