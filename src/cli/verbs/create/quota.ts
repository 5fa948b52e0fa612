/** `kedge create quota`: how much a namespace may hold. */
import { canonicalQuantity } from '#api/machinery/quantity.ts';
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

const NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

function hardIn(text: string): { hard?: Record<string, string> } {
  if (!text) return {};
  const hard = text.split(',').map((statement): [string, string] => {
    const [resource = '', value, ...more] = statement.split('=');
    if (value === undefined || more.length > 0)
      throw new VerbError(`Invalid argument syntax ${statement}, expected <resource>=<value>`);
    const quantity = canonicalQuantity(value);
    if (quantity === undefined) throw new VerbError(NO_QUANTITY);
    return [resource, quantity];
  });
  return { hard: Object.fromEntries(hard) };
}

function scopesIn(text: string): { scopes?: readonly string[] } {
  if (!text) return {};
  const scopes = text.split(',');
  if (scopes.includes('')) throw new VerbError('invalid resource quota scope ""');
  return { scopes };
}
