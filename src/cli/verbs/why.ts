/** `kedge why pod/NAME`: why a pod is where it is, or nowhere, and what would change that. Asks the scheduler, live. */
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Verb } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { whyText } from './why-text.ts';

export const whyVerb: Verb = {
  name: 'why',
  summary: 'tell why a pod is on its node, or on none, and what would change that',
  usage: 'pod/NAME',
  flags: [{ name: 'output', short: 'o', type: 'string', default: '', summary: 'json, or nothing for text' }],
  async run({ args, flags, io, cluster }) {
    const output = flags.string('output');
    if (output !== '' && output !== 'json')
      throw new VerbError(
        `unable to match a printer suitable for the output format "${output}", allowed formats are: json`,
      );
    const name = podName(args);
    const path = `/debug/scheduler/why/${encodeURIComponent(cluster.namespace)}/${encodeURIComponent(name)}`;
    let why: SchedulingExplanation;
    try {
      why = await cluster.get<SchedulingExplanation>(path);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      throw new VerbError(`Error from server (NotFound): pods "${name}" not found`, { isBare: true });
    }
    io.out(output === 'json' ? `${JSON.stringify(why, undefined, 4)}\n` : whyText(why));
  },
};

/** `pod/NAME`, `po/NAME`, `pods NAME`, or the name alone. */
function podName(args: readonly string[]): string {
  const [first = '', second] = args;
  const [type, name] =
    second === undefined ? (first.includes('/') ? first.split('/') : ['pod', first]) : [first, second];
  if (!name || args.length > 2) throw new VerbError('name one pod: why pod/NAME');
  if (!['pod', 'pods', 'po'].includes(type ?? ''))
    throw new VerbError(`only pods are scheduled, not ${type}: name one pod, why pod/NAME`);
  return name;
}
