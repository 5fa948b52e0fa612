/** `kedge apply view-last-applied`: what was applied last on the client's side. */
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { lastAppliedOf } from './last-applied.ts';
import { fileFlags } from './manifests.ts';
import { escapeHtml } from './output/json.ts';
import { ALL_FLAG, SELECTOR_FLAGS, targetsOf } from './targets.ts';
import type { Verb } from './verb.ts';
import { throwIfAny, unexpected } from './verb-error.ts';

export const viewLastAppliedVerb: Verb = {
  name: 'view-last-applied',
  summary: 'print what was applied last',
  usage: '(TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)',
  flags: [
    ...fileFlags('whose last configuration is meant'),
    ...SELECTOR_FLAGS,
    ALL_FLAG,
    { name: 'output', short: 'o', type: 'string', default: 'yaml', summary: 'yaml or json' },
  ],
  async run(call) {
    const { flags, io, path } = call;
    const output = flags.string('output');
    if (output !== 'yaml' && output !== 'json')
      throw unexpected(`Unexpected -o output mode: ${output}, the flag 'output' must be one of yaml|json`, path);
    const { targets, errors } = await targetsOf(call, { latest: true, wholeTypes: true });
    for (const { object } of targets) {
      const applied = lastAppliedOf(object);
      if (applied) io.out(output === 'yaml' ? formatYaml(applied) : indented(applied));
    }
    throwIfAny(errors);
  },
};

/** As it stands in the annotation, but for its blanks. */
const indented = (object: object): string => `${escapeHtml(JSON.stringify(object, undefined, 2))}\n`;
