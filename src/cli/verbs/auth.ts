/** `kedge auth`: what may I do here, and who am I. */
import type { KubeObject } from '#api/machinery/object.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { aligned, TABLE_TABS } from './output/tabs.ts';
import { ALL_NAMESPACES_FLAG } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

interface Review {
  status: { allowed: boolean; reason?: string; evaluationError?: string };
}

interface Rules {
  status: {
    resourceRules: { verbs: string[]; apiGroups?: string[]; resources?: string[]; resourceNames?: string[] }[];
    nonResourceRules: { verbs: string[]; nonResourceURLs?: string[] }[];
    evaluationError?: string;
  };
}

const ACCESS = '/apis/authorization.k8s.io/v1';

const canIVerb: Verb = {
  name: 'can-i',
  summary: 'tell whether something may be done',
  usage: 'VERB [TYPE | TYPE/NAME | NONRESOURCEURL]',
  flags: [
    ALL_NAMESPACES_FLAG,
    { name: 'list', type: 'bool', summary: 'all that may be done' },
    { name: 'quiet', short: 'q', type: 'bool', summary: 'say nothing; the exit code tells' },
    { name: 'no-headers', type: 'bool', summary: 'the list without its first line' },
    { name: 'subresource', type: 'string', summary: 'log, exec or another part of the object' },
  ],
  async run(call) {
    const { flags, io } = call;
    if (flags.bool('list')) return io.out(await listOfRules(call));
    const { status } = await review(call);
    const why = [status.reason, status.evaluationError].filter(Boolean);
    if (!flags.bool('quiet'))
      io.out(
        status.allowed
          ? 'yes\n'
          : `no${status.reason ? ` - ${status.reason}` : ''}${status.evaluationError ? ` - ${why.at(-1)}` : ''}\n`,
      );
    if (!status.allowed) throw new VerbError('');
  },
};

async function review(call: VerbCall): Promise<Review> {
  const { args, flags, cluster, path } = call;
  const [verb, what, name, ...more] = args;
  if (!verb || !what || name !== undefined || more.length > 0)
    throw new VerbError(
      `you must specify two arguments: verb resource or verb resource/resourceName.\nSee '${path} -h' for help and examples.`,
    );
  const spec = what.startsWith('/')
    ? { nonResourceAttributes: { path: what, verb } }
    : { resourceAttributes: await attributesOf(call, { verb, what, name }) };
  if (what.startsWith('/') && flags.string('subresource'))
    throw new VerbError('--subresource can not be used with NonResourceURL');
  const object = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec };
  const asked = await cluster.request({ method: 'POST', path: `${ACCESS}/selfsubjectaccessreviews`, object });
  return asked.object as unknown as Review;
}

const VERBS = new Set([
  ...['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'],
  ...['use', 'bind', 'impersonate', 'escalate', 'approve', 'sign', 'attest'],
]);

async function attributesOf(
  { cluster, flags, io }: VerbCall,
  { verb, what, name }: { verb: string; what: string; name: string | undefined },
): Promise<object> {
  const [type = '', inPath] = what.split('/');
  if (inPath !== undefined && name !== undefined) throw new VerbError('too many names');
  const [plural = '', ...rest] = type.split('.');
  const found = type === '*' ? undefined : (await cluster.resources()).find(type);
  if (type !== '*' && !found)
    io.err(
      `Warning: the server doesn't have a resource type '${plural}'${rest.length > 0 ? ` in group '${rest.join('.')}'` : ''}\n\n`,
    );
  if (found && !found.isNamespaced)
    io.err(
      `Warning: resource '${found.plural}' is not namespace scoped${found.group ? ` in group '${found.group}'` : ''}\n\n`,
    );
  if (verb !== '*' && !VERBS.has(verb)) io.err(`Warning: verb '${verb}' is not a known verb\n\n`);
  const subresource = flags.string('subresource');
  return {
    ...(!flags.bool('all-namespaces') && { namespace: cluster.namespace }),
    verb,
    group: found ? found.group : type === '*' ? '*' : rest.join('.'),
    resource: found ? found.plural : plural,
    ...(subresource && { subresource }),
    ...((inPath ?? name) && { name: inPath ?? name }),
  };
}

async function listOfRules({ args, cluster, flags, io }: VerbCall): Promise<string> {
  if (args.length > 0) throw new VerbError('list option must be specified with no arguments');
  const object = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectRulesReview',
    spec: { namespace: cluster.namespace },
  };
  const asked = await cluster.request({ method: 'POST', path: `${ACCESS}/selfsubjectrulesreviews`, object });
  const { status } = asked.object as unknown as Rules;
  if (status.evaluationError) io.err(`warning: the list may be incomplete: ${status.evaluationError}\n`);
  const rows = [
    ...status.resourceRules.flatMap(({ resources = [], apiGroups = [''], resourceNames = [], verbs }) =>
      resources.flatMap((resource) =>
        apiGroups.map((group): Rule => ({ verbs, group, resource, names: resourceNames })),
      ),
    ),
    ...status.nonResourceRules.flatMap(({ nonResourceURLs = [], verbs }) =>
      nonResourceURLs.map((url): Rule => ({ verbs, url, names: [] })),
    ),
  ]
    .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
    .map(({ verbs, group, resource = '', names, url }) => [
      group ? `${resource}.${group}` : resource,
      list(url === undefined ? [] : [url]),
      list(names),
      list(verbs),
    ]);
  const header = flags.bool('no-headers') ? [] : [['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs']];
  return aligned([...header, ...rows].map((row) => `${row.join('\t')}\n`).join(''), TABLE_TABS);
}

interface Rule {
  verbs: readonly string[];
  group?: string;
  resource?: string;
  names: readonly string[];
  url?: string;
}

const list = (items: readonly string[]): string => `[${items.join(' ')}]`;

/** As kubectl orders them: by their verbs first. */
const orderOf = ({ verbs, group, resource, names, url }: Rule): string =>
  [
    verbs,
    group === undefined ? [] : [group],
    resource === undefined ? [] : [resource],
    names,
    url === undefined ? [] : [url],
  ]
    .map(list)
    .join(',');

interface Whoami {
  status: { userInfo: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> } };
}

const whoamiVerb: Verb = {
  name: 'whoami',
  summary: 'tell as whom the server knows the user',
  flags: OUTPUT_FLAGS,
  async run({ cluster, flags, io }) {
    const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const reply = await cluster.request({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      object,
    });
    const { username, uid, groups, extra = {} } = (reply.object as unknown as Whoami).status.userInfo;
    if (flags.string('output') === 'json') {
      // Of a kind that it knows by heart, kubectl keeps the order of the fields.
      const { kind, apiVersion, metadata } = reply.object as KubeObject;
      const shown = { kind, apiVersion, metadata, status: { userInfo: { username, uid, groups, extra } } };
      return io.out(`${JSON.stringify(shown, undefined, 4)}\n`);
    }
    if (flags.string('output')) return io.out(resultPrinter(flags, io)(reply.object, ''));
    const rows = [
      ['ATTRIBUTE', 'VALUE'],
      ...(username ? [['Username', username]] : []),
      ...(uid ? [['UID', uid]] : []),
      ...(groups?.length ? [['Groups', `[${groups.join(' ')}]`]] : []),
      ...Object.entries(extra)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, values]) => [`Extra: ${key}`, `[${values.join(' ')}]`]),
    ];
    io.out(aligned(rows.map((row) => `${row.join('\t')}\n`).join(''), TABLE_TABS));
  },
};

export const authVerb: Verb = {
  name: 'auth',
  summary: 'ask what one may do',
  verbs: [canIVerb, whoamiVerb],
};
