/** Modes for tests and for closed doors: everybody may do everything, or nothing. */
import { allow, noOpinion, type UserRules } from './authorizer.ts';
import type { ChosenAuthorizer } from './cluster-authorizer.ts';

const EVERYTHING: UserRules = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

export const alwaysAllow: ChosenAuthorizer = {
  type: 'AlwaysAllow',
  name: 'alwaysallow',
  authorize: () => allow(),
  rulesFor: () => EVERYTHING,
};

export const alwaysDeny: ChosenAuthorizer = {
  type: 'AlwaysDeny',
  name: 'alwaysdeny',
  authorize: () => noOpinion('Everything is forbidden.'),
  rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false }),
};
