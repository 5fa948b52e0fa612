/** Objects that are no more than a name. */
import type { Verb } from '../verb.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

interface Named {
  name: string;
  aliases: readonly string[];
  /** What it has besides its name. */
  rest?: object;
}

const named = (kind: string, { name, aliases, rest }: Named): Verb => ({
  name,
  aliases,
  summary: `create a ${kind}`,
  usage: 'NAME',
  flags: OBJECT_FLAGS,
  run: (call) => createObject(call, { apiVersion: 'v1', kind, metadata: { name: onlyName(call) }, ...rest }),
});

export const createNamespaceVerb = named('Namespace', {
  name: 'namespace',
  aliases: ['ns'],
  rest: { spec: {}, status: {} },
});
export const createServiceAccountVerb = named('ServiceAccount', { name: 'serviceaccount', aliases: ['sa'] });
