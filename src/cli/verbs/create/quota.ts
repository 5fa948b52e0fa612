/** `kedge create quota`: how much a namespace may hold. */
import { quantitiesIn } from '../quantities.ts';
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

export const createQuotaVerb: Verb = {
  name: 'quota',
  aliases: ['resourcequota'],
  summary: 'create a ResourceQuota: how much a namespace may hold',
  usage: 'NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'hard', type: 'string', summary: 'the limits, e.g. cpu=1,pods=2,services=5' },
    { name: 'scopes', type: 'string', summary: 'the scopes that must all match what is counted' },
  ],
  async run(call) {
    const metadata = { name: onlyName(call) };
    const spec = { ...hardIn(call.flags.string('hard')), ...scopesIn(call.flags.string('scopes')) };
    return createObject(call, { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec, status: {} });
  },
};

function hardIn(text: string): { hard?: Record<string, string> } {
  return text ? { hard: quantitiesIn(text) } : {};
}

function scopesIn(text: string): { scopes?: readonly string[] } {
  if (!text) return {};
  const scopes = text.split(',');
  if (scopes.includes('')) throw new VerbError('invalid resource quota scope ""');
  return { scopes };
}
