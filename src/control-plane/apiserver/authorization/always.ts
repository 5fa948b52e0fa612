/** Modes for tests and for closed doors: everybody may do everything, or nothing. */
import { type Authorizer, allow, noOpinion, type RuleResolver, type UserRules } from './authorizer.ts';

const EVERYTHING: UserRules = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

export const alwaysAllow: Authorizer & RuleResolver = {
  authorize: () => allow(),
  rulesFor: () => EVERYTHING,
};

export const alwaysDeny: Authorizer & RuleResolver = {
  authorize: () => noOpinion('Everything is forbidden.'),
  rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false }),
};
