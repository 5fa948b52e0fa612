/** `kedge set`: one part of what objects are to be. */
import { setImageVerb } from './set/image.ts';
import { setResourcesVerb } from './set/resources.ts';
import { setServiceAccountVerb } from './set/service-account.ts';
import { setSubjectVerb } from './set/subject.ts';
import type { Verb } from './verb.ts';

export const setVerb: Verb = {
  name: 'set',
  summary: 'set one part of what objects are to be',
  verbs: [setImageVerb, setResourcesVerb, setServiceAccountVerb, setSubjectVerb],
};
