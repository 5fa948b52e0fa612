/** `kedge rollout`: how a change of a Deployment, DaemonSet or StatefulSet goes, and how it is steered. */
import { historyVerb } from './rollout/history.ts';
import { pauseVerb, restartVerb, resumeVerb } from './rollout/steering.ts';
import { statusVerb } from './rollout/status.ts';
import { undoVerb } from './rollout/undo.ts';
import type { Verb } from './verb.ts';

export const rolloutVerb: Verb = {
  name: 'rollout',
  summary: 'follow, stop, go on with or take back a rollout',
  verbs: [historyVerb, pauseVerb, restartVerb, resumeVerb, statusVerb, undoVerb],
};
