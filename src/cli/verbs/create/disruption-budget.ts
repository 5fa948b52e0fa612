/** `kedge create poddisruptionbudget`: how many pods may be missing at a time. */
import { type LabelRequirement, parseLabelSelector } from '#api/machinery/label-selector.ts';
import { intOrStringIn } from '../integers.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

export const createDisruptionBudgetVerb: Verb = {
  name: 'poddisruptionbudget',
  aliases: ['pdb'],
  summary: 'create a PodDisruptionBudget: how many pods may be missing at a time',
  usage: 'NAME --selector=SELECTOR --min-available=N',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'min-available', type: 'string', summary: 'how many pods there must be: a number or a percentage' },
    { name: 'max-unavailable', type: 'string', summary: 'how many pods may be missing: a number or a percentage' },
    { name: 'selector', type: 'string', summary: 'labels of the pods' },
  ],
  async run(call) {
    const metadata = { name: onlyName(call) };
    refuseContradictions(call);
    const selector = selectorIn(call.flags.string('selector'));
    return createObject(call, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      spec: {
        ...amountIn(call, 'maxUnavailable', 'max-unavailable'),
        ...amountIn(call, 'minAvailable', 'min-available'),
        selector,
      },
      status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
    });
  },
};

function refuseContradictions({ flags }: VerbCall): void {
  const [least, most] = [flags.string('min-available'), flags.string('max-unavailable')];
  if (!flags.string('selector')) throw new VerbError('a selector must be specified');
  if (!least && !most) throw new VerbError('one of min-available or max-unavailable must be specified');
  if (least && most) throw new VerbError('min-available and max-unavailable cannot be both specified');
  if (!/^\d+%?$/.test(least || most))
    throw new VerbError(`invalid format specified for ${least ? 'min-available' : 'max-unavailable'}`);
}

function amountIn({ flags }: VerbCall, field: string, flag: string): object {
  const text = flags.string(flag);
  return text ? { [field]: intOrStringIn(text) } : {};
}

const OPERATORS: Readonly<Record<string, string>> = { in: 'In', notin: 'NotIn', exists: 'Exists', '!': 'DoesNotExist' };

/** What is equal becomes labels, as in apimachinery's ParseToLabelSelector. */
function selectorIn(text: string): object {
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw new VerbError(`couldn't parse the selector string "${text}": ${parsed.error}`);
  const { requirements } = parsed.value;
  const isEquality = ({ operator }: LabelRequirement) => operator === '=' || operator === '==';
  const labels = requirements.filter(isEquality).map(({ key, values }): [string, string] => [key, values[0] ?? '']);
  const matchExpressions = requirements.filter((each) => !isEquality(each)).map(expressionOf);
  return {
    ...(matchExpressions.length > 0 && { matchExpressions }),
    ...(labels.length > 0 && { matchLabels: Object.fromEntries(labels) }),
  };
}

const COMPARISONS: Readonly<Record<string, string>> = { '>': 'gt', '<': 'lt' };

function expressionOf({ key, operator, values }: LabelRequirement): object {
  const known = OPERATORS[operator];
  if (known) return { key, operator: known, ...(values.length > 0 && { values }) };
  const comparison = COMPARISONS[operator];
  if (comparison) throw new VerbError(`${JSON.stringify(comparison)} isn't supported in label selectors`);
  throw new VerbError(`${JSON.stringify(operator)} is not a valid label selector operator`);
}
