/** `kedge trace URL`: every hop that a request takes, and where and why it breaks. Exit code 1 when it does. */
import { Known, type Question, type Source, wantId } from '#network/trace/known.ts';
import { traceRequest } from '#network/trace/trace-request.ts';
import { loopbackPortsOf } from '../loopback-ports.ts';
import { answerTo, clusterLists, hostAddressNear } from './trace-findings.ts';
import { requestHop, sent } from './trace-sending.ts';
import { traceText } from './trace-text.ts';
import type { Verb } from './verb.ts';
import { VerbError } from './verb-error.ts';

/** Each round may find what makes another question: a Service, its pods, their events. */
const MOST_ROUNDS = 6;

export const traceVerb: Verb = {
  name: 'trace',
  summary: 'tell every hop that a request takes, and where and why it breaks',
  usage: 'URL [--from pod/NAME | --from node/NAME]',
  flags: [
    {
      name: 'from',
      type: 'string',
      summary: 'who sends it: pod/NAME or node/NAME; this machine where nothing is said',
    },
    { name: 'send', type: 'bool', summary: 'send the request as well, and tell what came of it' },
    { name: 'output', short: 'o', type: 'string', default: '', summary: 'json, or nothing for text' },
  ],
  async run({ args, flags, io, cluster }) {
    const output = flags.string('output');
    if (output !== '' && output !== 'json')
      throw new VerbError(
        `unable to match a printer suitable for the output format "${output}", allowed formats are: json`,
      );
    const [text, ...more] = args;
    if (text === undefined || more.length > 0) throw new VerbError('name one URL: trace http://HOST/PATH');
    const loopback = await loopbackPortsOf(cluster.server, { env: io.env, clock: io.clock });
    const { lists, hidden } = await clusterLists(cluster, loopback, io.clock.now());
    const question: Question = {
      url: urlOf(text),
      from: sourceOf(flags.string('from'), cluster.namespace),
      hostAddress: hostAddressNear(lists),
    };
    const found = new Map<string, unknown>();
    let known = new Known(lists, found);
    let trace = traceRequest(question, known);
    for (let round = 0; round < MOST_ROUNDS && known.wants.length > 0; round++) {
      const answers = await Promise.all(
        known.wants.map(async (want) => [wantId(want), await answerTo(want, cluster)] as const),
      );
      for (const [id, answer] of answers) found.set(id, answer);
      known = new Known(lists, found);
      trace = traceRequest(question, known);
    }
    if (flags.bool('send')) {
      const hop = requestHop(await sent(question, cluster, io.signal), trace.isBroken);
      trace = { ...trace, hops: [...trace.hops, hop], isBroken: trace.isBroken || hop.state === 'breaks' };
    }
    if (hidden.length > 0) io.err(`Warning: not allowed to see ${[...new Set(hidden)].join(', ')}\n`);
    io.out(output === 'json' ? `${JSON.stringify(trace, undefined, 4)}\n` : traceText(trace));
    return trace.isBroken ? 1 : 0;
  },
};

/** `www.example.com/path` is taken for http. */
function urlOf(text: string): URL {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new VerbError(`${JSON.stringify(text)} is no http or https URL`);
  return url;
}

function sourceOf(text: string, namespace: string): Source {
  if (text === '') return { type: 'host' };
  const [type = '', name = '', ...rest] = text.split('/');
  if (name !== '' && rest.length === 0) {
    if (['pod', 'pods', 'po'].includes(type)) return { type: 'pod', namespace, name };
    if (['node', 'nodes', 'no'].includes(type)) return { type: 'node', name };
  }
  throw new VerbError(`--from is pod/NAME or node/NAME, not ${JSON.stringify(text)}`);
}
