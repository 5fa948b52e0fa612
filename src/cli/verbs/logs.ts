/** `kedge logs`: what containers wrote. */
import type { Pod } from '#api/generated/schema.ts';
import { parseInstant, whyNoInstant } from '#api/machinery/timestamp.ts';
import { hasReason } from '#api/machinery/status.ts';
import { allContainers, containerOf, podOf, podsOf, selectorOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import { targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

const USAGE = `expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.
POD or TYPE/NAME is a required argument for the logs command`;

export const logsVerb: Verb = {
  name: 'logs',
  summary: 'print what the containers of a pod wrote',
  usage: '[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]',
  flags: [
    { name: 'follow', short: 'f', type: 'bool', summary: 'go on as they grow' },
    { name: 'previous', short: 'p', type: 'bool', summary: 'of the container before the last restart' },
    { name: 'container', short: 'c', type: 'string', summary: 'of this container' },
    { name: 'all-containers', type: 'bool', summary: 'of all containers' },
    { name: 'all-pods', type: 'bool', summary: 'of all pods of a workload, with a prefix' },
    { name: 'selector', short: 'l', type: 'string', summary: 'of the pods with these labels' },
    { name: 'tail', type: 'int', default: '-1', summary: 'only the last lines; 10 with a selector' },
    { name: 'since', type: 'duration', default: '0s', summary: 'only what is not older, e.g. 5s, 2m' },
    { name: 'since-time', type: 'string', summary: 'only what came after this time (RFC 3339)' },
    { name: 'timestamps', type: 'bool', summary: 'with a time in front of each line' },
    { name: 'limit-bytes', type: 'int', default: '0', summary: 'at most so many bytes' },
    { name: 'prefix', type: 'bool', summary: 'with pod and container in front of each line' },
    { name: 'ignore-errors', type: 'bool', summary: 'go on with the other containers' },
    { name: 'max-log-requests', type: 'int', default: '5', summary: 'how many to follow at once' },
    { name: 'pod-running-timeout', type: 'duration', default: '20s', summary: 'how long to wait for a pod' },
    { name: 'insecure-skip-tls-verify-backend', type: 'bool', summary: "do not check the kubelet's certificate" },
  ],
  async run(call) {
    const { flags } = call;
    refuseContradictions(call);
    const sources = await sourcesOf(call);
    if (!flags.bool('follow') || sources.length <= 1) {
      for (const source of sources) await printLog(call, source);
      return;
    }
    const most = flags.int('max-log-requests');
    if (sources.length > most)
      throw new VerbError(
        `you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${most}, use --max-log-requests to increase the limit`,
      );
    await Promise.all(sources.map((source) => printLog(call, source)));
  },
};

interface Source {
  pod: Pod;
  container: string;
}

function refuseContradictions({ flags, args, path }: VerbCall): void {
  const usage = (text: string) => new VerbError(`${text}\nSee '${path} -h' for help and examples`);
  const hasSelector = flags.string('selector') !== '';
  if (args.length === 0 && !hasSelector) throw usage(USAGE);
  if (args.length > 0 && hasSelector) throw usage('only a selector (-l) or a POD name is allowed');
  if (args.length > 2) throw usage(USAGE);
  if (args.length === 2 && flags.has('container'))
    throw new VerbError('only one of -c or an inline [CONTAINER] arg is allowed');
  if (flags.bool('all-containers') && flags.has('container'))
    throw new VerbError(
      `--all-containers=true should not be specified with container name ${flags.string('container')}`,
    );
  if (flags.has('since-time') && flags.has('since'))
    throw new VerbError('at most one of `sinceTime` or `sinceSeconds` may be specified');
  if (flags.has('limit-bytes') && flags.int('limit-bytes') <= 0)
    throw new VerbError('--limit-bytes must be greater than 0');
  if (flags.int('tail') < -1) throw new VerbError('--tail must be greater than or equal to -1');
}

async function sourcesOf(call: VerbCall): Promise<Source[]> {
  const { flags, io, args } = call;
  const container = args[1] ?? flags.string('container');
  const pods = await meantPods(call);
  return pods.flatMap((pod) => {
    if (flags.bool('all-containers')) return allContainers(pod).map(({ name }) => ({ pod, container: name }));
    return [{ pod, container: containerOf(pod, container, { io, isQuiet: flags.bool('all-pods') }) }];
  });
}

async function meantPods(call: VerbCall): Promise<Pod[]> {
  const { flags, io, cluster, args } = call;
  const labelSelector = flags.string('selector');
  if (labelSelector) {
    const pods = await podsOf(call, { namespace: cluster.namespace, labelSelector });
    if (pods.length === 0) io.err(`No resources found in ${cluster.namespace} namespace.\n`);
    return pods;
  }
  const [named = ''] = args;
  const { targets, errors } = await targetsOf(
    { ...call, args: named.includes('/') ? [named] : ['pods', named] },
    { latest: true },
  );
  const [missing] = errors;
  if (hasReason(missing, 'NotFound'))
    throw new VerbError(
      `error: error from server (NotFound): ${missing.message} in namespace ${JSON.stringify(cluster.namespace)}`,
    );
  throwIfAny(errors);
  const [target] = targets;
  if (flags.bool('all-pods')) {
    const selector = selectorOf(target!.object as never) ?? '';
    return podsOf(call, { namespace: cluster.namespace, labelSelector: selector });
  }
  const { pod, count } = await podOf(call, target!, {
    timeoutMs: flags.milliseconds('pod-running-timeout'),
    purpose: 'get the logs from',
  });
  if (count > 1) io.err(`Found ${count} pods, using pod/${pod.metadata.name}\n`);
  return [pod];
}

async function printLog(call: VerbCall, { pod, container }: Source): Promise<void> {
  const { flags, io, cluster } = call;
  const { name, namespace } = pod.metadata;
  const pods = (await cluster.resources()).named('pods');
  const path = pathOf(pods, { namespace, name, subresource: 'log', query: { container, ...queryOf(call) } });
  const prefix = flags.bool('prefix') || flags.bool('all-pods') ? `[pod/${name}/${container}] ` : '';
  try {
    const { body } = await cluster.open({ method: 'GET', path, accept: '*/*', signal: io.signal });
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of body) {
      const text = decoder.decode(chunk, { stream: true });
      if (prefix === '') {
        io.out(text);
        continue;
      }
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) io.out(`${prefix}${line}\n`);
    }
    if (rest) io.out(`${prefix}${rest}`);
  } catch (error) {
    if (!flags.bool('ignore-errors')) throw error;
    io.out(`error: ${(error as Error).message}\n`);
  }
}

/** With a selector a few lines of each are enough. */
const LINES_OF_SELECTED = 10;

function queryOf({ flags }: VerbCall): Record<string, string | number | undefined> {
  const tail = flags.has('tail') || !flags.string('selector') ? flags.int('tail') : LINES_OF_SELECTED;
  const sinceSeconds = Math.ceil(flags.milliseconds('since') / 1000);
  const given = flags.string('since-time');
  const instant = given ? parseInstant(given) : undefined;
  if (given && !instant) throw new VerbError(whyNoInstant(given, false));
  return {
    follow: flags.bool('follow') ? 'true' : undefined,
    previous: flags.bool('previous') ? 'true' : undefined,
    timestamps: flags.bool('timestamps') ? 'true' : undefined,
    insecureSkipTLSVerifyBackend: flags.bool('insecure-skip-tls-verify-backend') ? 'true' : undefined,
    tailLines: tail >= 0 ? tail : undefined,
    sinceSeconds: sinceSeconds > 0 ? sinceSeconds : undefined,
    sinceTime: given || undefined,
    limitBytes: flags.int('limit-bytes') || undefined,
  };
}
