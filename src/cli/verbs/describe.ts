/** `kedge describe`: an object with what belongs to it and what happened to it, for people to read. */
import type { KubeObject } from '#api/machinery/object.ts';
import { describeAnyObject } from './describe/any-object.ts';
import type { DescribeContext } from './describe/describer.ts';
import { describers } from './describe/describers.ts';
import { eventsOf } from './describe/events.ts';
import { Report } from './describe/report.ts';
import { isNotFound } from './fetched-target.ts';
import { failuresAmong } from './going-on.ts';
import { fileFlags } from './manifests.ts';
import { pathOf } from './served-resources.ts';
import { ALL_NAMESPACES_FLAG, SELECTOR_FLAGS, type Target, type Targets, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { bare, throwIfAny, VerbError } from './verb-error.ts';

export const describeVerb: Verb = {
  name: 'describe',
  summary: 'tell about an object or a group of objects',
  usage: '(-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)',
  flags: [
    ...fileFlags('to describe'),
    ...SELECTOR_FLAGS,
    ALL_NAMESPACES_FLAG,
    {
      name: 'show-events',
      type: 'bool',
      default: 'true',
      summary: 'with the events; by default when it is one object',
    },
    { name: 'chunk-size', type: 'int', default: '500', summary: 'how many objects to ask for at once; 0 for all' },
  ],
  async run(call) {
    const { flags, io, cluster, args } = call;
    if (args.length === 0 && flags.list('filename').length === 0) throw nothingNamed(call);
    const found = await targetsOf(call, { latest: true, wholeTypes: true });
    const { targets } = found;
    const errors = flags.list('filename').length > 0 ? found.errors.map(bare) : found.errors;
    const [failure] = errors;
    if (errors.length === 1 && isNotFound(failure) && args.length === 2)
      return io.out(await describedByPrefix(call, failure));
    const isOne = targets.length <= 1 && errors.length === 0;
    const hasEvents = flags.has('show-events') ? flags.bool('show-events') : isOne;
    const texts: string[] = [];
    const failures = await failuresAmong(targets, async (target) => {
      texts.push(await described(call, target, hasEvents));
    });
    io.out(texts.join('\n\n'));
    if (targets.length === 0 && errors.length === 0)
      io.err(
        flags.bool('all-namespaces')
          ? 'No resources found\n'
          : `No resources found in ${cluster.namespace} namespace.\n`,
      );
    throwIfAny([...errors, ...failures]);
  },
};

function nothingNamed({ path }: VerbCall): VerbError {
  const [program = ''] = path.split(' ');
  return new VerbError(
    `You must specify the type of resource to describe. Use "${program} api-resources" for a complete list of supported resources.`,
  );
}

/** `describe pod web-` means all whose names begin so. */
async function describedByPrefix(call: VerbCall, notFound: unknown): Promise<string> {
  const [type = '', prefix = ''] = call.args;
  const { targets, errors }: Targets = await targetsOf(
    { ...call, args: [type] },
    { wholeTypes: true, singleType: true },
  );
  throwIfAny(errors);
  const matching = targets.filter(({ name }) => name.startsWith(prefix));
  if (matching.length === 0) throw notFound;
  const texts = [];
  for (const target of matching)
    texts.push(`${await described(call, target, call.flags.has('show-events') && call.flags.bool('show-events'))}\n`);
  return texts.join('');
}

async function described(call: VerbCall, target: Target, hasEvents: boolean): Promise<string> {
  const { resource } = target;
  const kind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind;
  const describer = describers.find((each) => each.kind === kind);
  const context: DescribeContext = { call, events: hasEvents ? eventsOf(call) : undefined, nowMs: call.io.clock.now() };
  const object = await call.cluster.get<KubeObject>(pathOf(resource, target));
  const report = new Report();
  if (describer) await describer.describe(report, object as never, context);
  else await describeAnyObject(report, object, context);
  return report.toString();
}
