/** Objects that are no more than a name. */
import type { Verb } from '../verb.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

const named = (kind: string, { name, aliases }: { name: string; aliases: readonly string[] }): Verb => ({
  name,
  aliases,
  summary: `create a ${kind}`,
  usage: 'NAME',
  flags: OBJECT_FLAGS,
  run: (call) => createObject(call, { apiVersion: 'v1', kind, metadata: { name: onlyName(call) } }),
});

export const createNamespaceVerb = named('Namespace', { name: 'namespace', aliases: ['ns'] });
export const createServiceAccountVerb = named('ServiceAccount', { name: 'serviceaccount', aliases: ['sa'] });
