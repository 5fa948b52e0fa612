/** `kedge set serviceaccount`: who the pods are. */
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { changeAll, objectsToChange, refuseLocalServer, refuseUnprintable, SET_FLAGS } from './changing.ts';
import { podSpecOf } from './pod-spec.ts';

export const setServiceAccountVerb: Verb = {
  name: 'serviceaccount',
  aliases: ['sa'],
  summary: 'set who the pods are',
  usage: '(-f FILENAME | TYPE NAME) SERVICE_ACCOUNT',
  flags: SET_FLAGS,
  async run(call) {
    refuseLocalServer(call);
    refuseUnprintable(call);
    const name = call.args.at(-1);
    if (name === undefined) throw new VerbError('serviceaccount is required');
    // kubectl looks at no other words where it asks no server.
    const resources = call.flags.bool('local') ? [] : call.args.slice(0, -1);
    await changeAll(call, await objectsToChange(call, resources), {
      done: 'serviceaccount updated',
      refused: 'failed to patch ServiceAccountName ',
      isAlwaysTold: true,
      edit(object) {
        podSpecOf(object).serviceAccountName = name;
      },
    });
  },
};
