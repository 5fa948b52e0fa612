/** `kedge set resources`: what the containers ask for, and how much they may have. */
import { quantitiesIn } from '../quantities.ts';
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import {
  changeAll,
  objectsToChange,
  refuseAllAndSelector,
  refuseLocalServer,
  refuseUnprintable,
  SELECTED_SET_FLAGS,
} from './changing.ts';
import { containersIn, podSpecOf } from './pod-spec.ts';

export const setResourcesVerb: Verb = {
  name: 'resources',
  summary: 'set what the containers ask for, and how much they may have',
  usage: '(-f FILENAME | TYPE NAME) [--limits=LIMITS] [--requests=REQUESTS]',
  flags: [
    ...SELECTED_SET_FLAGS,
    {
      name: 'containers',
      short: 'c',
      type: 'string',
      default: '*',
      summary: 'of which containers; * stands for anything',
    },
    { name: 'limits', type: 'string', summary: 'how much they may have, e.g. cpu=200m,memory=512Mi' },
    { name: 'requests', type: 'string', summary: 'how much they ask for, e.g. cpu=100m,memory=256Mi' },
  ],
  async run(call) {
    const { flags } = call;
    refuseUnprintable(call);
    const objects = await objectsToChange(call, call.args);
    refuseLocalServer(call);
    refuseAllAndSelector(call);
    if (!flags.string('limits') && !flags.string('requests'))
      throw new VerbError('you must specify an update to requests or limits (in the form of --requests/--limits)');
    const [limits, requests] = [quantitiesIn(flags.string('limits')), quantitiesIn(flags.string('requests'))];
    const pattern = flags.string('containers');
    await changeAll(call, objects, {
      done: 'resource requirements updated',
      refused: 'failed to patch resources update to pod template ',
      edit(object, complain) {
        const containers = containersIn(podSpecOf(object), pattern);
        if (containers.length === 0) complain(`error: unable to find container named ${pattern}`);
        for (const container of containers) {
          const now = container.resources ?? {};
          container.resources = {
            ...now,
            limits: { ...now.limits, ...limits },
            requests: { ...now.requests, ...requests },
          };
        }
      },
    });
  },
};
