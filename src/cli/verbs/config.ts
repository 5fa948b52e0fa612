/** `kedge config`: what the kubeconfig says, and which of its contexts is used. */
import { type Document, isMap, isSeq } from 'yaml';
import type { Context } from '#client/transport/kubeconfig.ts';
import { editKubeconfig, userKubeconfig } from '../kubeconfig-merge.ts';
import type { MergedKubeconfig } from './cluster-api.ts';
import { OUTPUT_FLAGS, objectPrinter } from './output/output-flags.ts';
import { aligned, TABLE_TABS } from './output/tabs.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';

const SECRETS: Readonly<Record<string, string>> = {
  'certificate-authority-data': 'DATA+OMITTED',
  'client-certificate-data': 'DATA+OMITTED',
  'client-key-data': 'DATA+OMITTED',
  token: 'REDACTED',
  password: 'REDACTED',
};

const viewVerb: Verb = {
  name: 'view',
  summary: 'print the kubeconfig, without its secrets',
  flags: [
    ...OUTPUT_FLAGS.map((flag) => (flag.name === 'output' ? { ...flag, default: 'yaml' } : flag)),
    { name: 'minify', type: 'bool', summary: 'only what the current context needs' },
    { name: 'raw', type: 'bool', summary: 'with the secrets' },
  ],
  async run({ flags, io, cluster, args, path }) {
    if (args.length > 0) throw unexpected(`unexpected arguments: [${args.join(' ')}]`, path);
    const { merged } = cluster.kubeconfig;
    const current = flags.string('context') || merged['current-context'];
    const shown = shownOf(flags.bool('minify') ? minified(merged, current) : merged, flags.bool('raw'));
    if (flags.string('output') === 'json') return io.out(`${JSON.stringify(shown, undefined, 4)}\n`);
    io.out(objectPrinter(flags, io)!.print(shown));
  },
};

function minified(config: MergedKubeconfig, current: string): MergedKubeconfig {
  const context = config.contexts.get(current);
  if (!current) throw new VerbError('current-context must exist in order to minify');
  if (!context) throw new VerbError(`cannot locate context ${current}`);
  const only = <T>(map: Map<string, T>, name = '') => new Map([...map].filter(([key]) => key === name));
  return {
    'current-context': current,
    clusters: only(config.clusters, context.cluster),
    users: only(config.users, context.user),
    contexts: only(config.contexts, current),
  };
}

/** In the order in which kubectl prints JSON. */
function shownOf(config: MergedKubeconfig, isRaw: boolean): object {
  const hidden = (entry: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(
      inOrder(Object.keys(entry))
        .filter((key) => entry[key] !== undefined)
        .map((key) => [key, isRaw || !entry[key] ? entry[key] : (SECRETS[key] ?? entry[key])]),
    );
  const entries = <T extends object>(map: ReadonlyMap<string, T>, key: string) =>
    [...map]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, entry]) => ({ name, [key]: hidden(entry as Record<string, unknown>) }));
  return {
    kind: 'Config',
    apiVersion: 'v1',
    clusters: entries(config.clusters, 'cluster'),
    users: entries(config.users, 'user'),
    contexts: entries(withNames(config.contexts), 'context'),
    'current-context': config['current-context'],
  };
}

/** A context always tells its cluster and its user, if only that it has none. */
const withNames = (contexts: ReadonlyMap<string, Context>): Map<string, Context> =>
  new Map([...contexts].map(([name, context]) => [name, { cluster: '', user: '', ...context }]));

const ORDER = ['server', 'certificate-authority', 'certificate-authority-data', 'cluster', 'user', 'namespace'];

const inOrder = (keys: readonly string[]): string[] => [
  ...ORDER.filter((key) => keys.includes(key)),
  ...keys.filter((key) => !ORDER.includes(key)),
];

const currentContextVerb: Verb = {
  name: 'current-context',
  summary: 'print the name of the context that is used',
  async run({ io, cluster }) {
    const { merged } = cluster.kubeconfig;
    if (!merged['current-context']) throw new VerbError('current-context is not set');
    io.out(`${merged['current-context']}\n`);
  },
};

const getContextsVerb: Verb = {
  name: 'get-contexts',
  summary: 'list the contexts',
  usage: '[NAME...]',
  flags: [
    { name: 'output', short: 'o', type: 'string', summary: 'name' },
    { name: 'no-headers', type: 'bool', summary: 'the list without its first line' },
  ],
  async run({ args, flags, io, cluster, path }) {
    const { merged } = cluster.kubeconfig;
    const output = flags.string('output');
    if (output !== '' && output !== 'name')
      throw new VerbError(`--output ${output} is not available in ${path}; resetting to default output format`);
    const names = args.length > 0 ? [...args] : [...merged.contexts.keys()];
    const found = names.filter((name) => merged.contexts.has(name)).sort();
    const row = (name: string) => {
      const { cluster: of = '', user = '', namespace = '' } = merged.contexts.get(name)!;
      return [name === merged['current-context'] ? '*' : '', name, of, user, namespace];
    };
    const hasHeaders = output === '' && !flags.bool('no-headers');
    const header = hasHeaders ? [['CURRENT', 'NAME', 'CLUSTER', 'AUTHINFO', 'NAMESPACE']] : [];
    const rows = [...header, ...found.map(output === 'name' ? (name) => [name] : row)];
    io.out(aligned(rows.map((cells) => `${cells.join('\t')}\n`).join(''), TABLE_TABS));
    throwIfAny(
      names.filter((name) => !merged.contexts.has(name)).map((name) => new VerbError(`context ${name} not found`)),
    );
  },
};

const listing = (name: string, list: 'clusters' | 'users'): Verb => ({
  name,
  summary: `list the ${list}`,
  async run({ io, cluster }) {
    io.out(
      `NAME\n${[...cluster.kubeconfig.merged[list].keys()]
        .sort()
        .map((each) => `${each}\n`)
        .join('')}`,
    );
  },
});

const useContextVerb: Verb = {
  name: 'use-context',
  aliases: ['use'],
  summary: 'use this context from now on',
  usage: 'CONTEXT',
  async run(call) {
    const name = onlyArgument(call);
    if (!call.cluster.kubeconfig.merged.contexts.has(name))
      throw new VerbError(`no context exists with the name: ${JSON.stringify(name)}`);
    await editKubeconfig(fileOf(call), call.io.clock, (config) => config.set('current-context', name));
    call.io.out(`Switched to context ${JSON.stringify(name)}.\n`);
  },
};

const FIELDS = ['cluster', 'user', 'namespace'] as const;

const setContextVerb: Verb = {
  name: 'set-context',
  summary: 'change a context, or add one',
  usage: '[NAME | --current] [--cluster=…] [--user=…] [--namespace=…]',
  flags: [{ name: 'current', type: 'bool', summary: 'the context that is used' }],
  async run(call) {
    const { flags, io, cluster } = call;
    const { merged } = cluster.kubeconfig;
    if (flags.bool('current') && call.args.length > 0)
      throw new VerbError('you cannot specify both a context name and --current');
    const name = flags.bool('current') ? merged['current-context'] : onlyArgument(call);
    if (!name) throw new VerbError('no current context is set');
    const isKnown = merged.contexts.has(name);
    const asked = Object.fromEntries(
      FIELDS.filter((field) => flags.has(field)).map((field) => [field, flags.string(field)]),
    );
    await editKubeconfig(fileOf(call), io.clock, (config) => setContext(config, name, asked));
    io.out(`Context ${JSON.stringify(name)} ${isKnown ? 'modified' : 'created'}.\n`);
  },
};

function setContext(config: Document, name: string, asked: Context): void {
  const at = placeOf(config, name);
  if (at < 0) {
    const entry = { name, context: asked };
    if (isSeq(config.get('contexts'))) config.addIn(['contexts'], config.createNode(entry));
    else config.set('contexts', config.createNode([entry]));
    return;
  }
  for (const [field, value] of Object.entries(asked)) config.setIn(['contexts', at, 'context', field], value);
}

function placeOf(config: Document, name: string): number {
  const contexts = config.get('contexts');
  return isSeq(contexts) ? contexts.items.findIndex((entry) => isMap(entry) && entry.get('name') === name) : -1;
}

const renameContextVerb: Verb = {
  name: 'rename-context',
  summary: 'give a context another name',
  usage: 'NAME NEW_NAME',
  async run(call) {
    const { args, io, cluster, path } = call;
    const [from = '', to = '', ...more] = args;
    if (!to || more.length > 0) throw unexpected(`unexpected args: [${args.join(' ')}]`, path);
    const { merged } = cluster.kubeconfig;
    const file = fileOf(call);
    if (!merged.contexts.has(from))
      throw new VerbError(`cannot rename the context ${JSON.stringify(from)}, it's not in ${file}`);
    if (merged.contexts.has(to))
      throw new VerbError(
        `cannot rename the context ${JSON.stringify(from)}, the context ${JSON.stringify(to)} already exists in ${file}`,
      );
    await editKubeconfig(file, io.clock, (config) => {
      config.setIn(['contexts', placeOf(config, from), 'name'], to);
      if (config.get('current-context') === from) config.set('current-context', to);
    });
    io.out(`Context ${JSON.stringify(from)} renamed to ${JSON.stringify(to)}.\n`);
  },
};

const deleteContextVerb: Verb = {
  name: 'delete-context',
  summary: 'remove a context',
  usage: 'NAME',
  async run(call) {
    const name = onlyArgument(call);
    const { merged } = call.cluster.kubeconfig;
    const file = fileOf(call);
    if (!merged.contexts.has(name)) throw new VerbError(`cannot delete context ${name}, not in ${file}`);
    if (merged['current-context'] === name)
      call.io.err(
        'warning: this removed your active context, use "KUBECTL config use-context" to select a different one\n'.replace(
          'KUBECTL',
          call.path.split(' ')[0]!,
        ),
      );
    await editKubeconfig(file, call.io.clock, (config) => config.deleteIn(['contexts', placeOf(config, name)]));
    call.io.out(`deleted context ${name} from ${file}\n`);
  },
};

function onlyArgument({ args, path }: VerbCall): string {
  const [name] = args;
  if (args.length !== 1 || !name) throw unexpected(`Unexpected args: [${args.join(' ')}]`, path);
  return name;
}

/** The one that is named, else the first that there is. */
const fileOf = ({ flags, io, cluster }: VerbCall): string =>
  flags.string('kubeconfig') || (cluster.kubeconfig.paths[0] ?? userKubeconfig(io.env));

export const configVerb: Verb = {
  name: 'config',
  summary: 'look at the kubeconfig, and change which context is used',
  verbs: [
    currentContextVerb,
    deleteContextVerb,
    listing('get-clusters', 'clusters'),
    getContextsVerb,
    listing('get-users', 'users'),
    renameContextVerb,
    setContextVerb,
    useContextVerb,
    viewVerb,
  ],
};
