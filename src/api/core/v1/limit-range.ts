/** LimitRange: what containers of a namespace may ask for, and what they get when they do not ask. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { compareQuantities, quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import {
  isExtendedResource,
  isHugePages,
  validateContainerResourceName,
  validateResourceName,
} from './resource-names.ts';

export type LimitRange = schema.LimitRange;

export const LimitRange = defineKind<schema.LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  scope: 'Namespaced',
  shortNames: ['limits'],
  defaults: (range) => ({
    ...(range as schema.LimitRange),
    spec: {
      ...range.spec,
      limits: (range.spec?.limits ?? []).map((item) => defaultItem(item as schema.LimitRangeItem)),
    },
  }),
  validate({ spec: { limits } }, { spec: at }) {
    const repeated = repeatedIn(limits.map(({ type }) => type));
    return limits.flatMap((item, index) => {
      const here = at.limits[index]!;
      return [...(repeated.has(index) ? [duplicateValue(here.type, item.type)] : []), ...validateItem(item, here)];
    });
  },
  allowCreateOnUpdate: true,
});

/** Of a container: the limit is by default the maximum, the request the limit or else the minimum. */
function defaultItem(item: schema.LimitRangeItem): schema.LimitRangeItem {
  if (item.type !== 'Container') return item;
  const limits = { ...item.max, ...item.default };
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  return {
    ...item,
    ...(Object.keys(limits).length > 0 && { default: limits }),
    ...(Object.keys(requests).length > 0 && { defaultRequest: requests }),
  };
}

const AMOUNTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
type Amount = (typeof AMOUNTS)[number];
const TYPES = ['Pod', 'Container', 'PersistentVolumeClaim'];
const MAX_MILLI_VALUE = 2 ** 63 / 1000; // above it upstream computes with whole units

function validateItem(item: schema.LimitRangeItem, at: At<schema.LimitRangeItem>): FieldError[] {
  const isOfPod = item.type === 'Pod';
  const ofRoom = item.type === 'Pod' || item.type === 'Container';
  const validateName = ofRoom ? validateContainerResourceName : validateResourceName;
  const errors = validateType(item.type ?? '', at.type);
  const judged = AMOUNTS.filter((amount) => !isOfPod || (amount !== 'default' && amount !== 'defaultRequest'));
  for (const amount of judged)
    for (const name of Object.keys(item[amount] ?? {})) errors.push(...validateName(name, keyed(at[amount], name)));
  for (const amount of ['default', 'defaultRequest'] as const)
    if (isOfPod && Object.keys(item[amount] ?? {}).length > 0)
      errors.push(forbiddenField(at[amount], "may not be specified when `type` is 'Pod'"));
  if (
    item.type === 'PersistentVolumeClaim' &&
    item.min?.['storage'] === undefined &&
    item.max?.['storage'] === undefined
  ) {
    const text = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(requiredValue(`${at}.limits`, text));
  }
  const names = new Set(judged.flatMap((amount) => Object.keys(item[amount] ?? {})));
  return [...errors, ...[...names].flatMap((name) => validateAmounts(item, name, { at, judged }))];
}

function validateType(type: string, at: Path): FieldError[] {
  const errors = follows(at, type, qualifiedName);
  if (errors.length > 0 || type.includes('/') || TYPES.includes(type)) return errors;
  return [invalidValue(at, type, 'must be a standard limit type or fully qualified')];
}

/** Which amount is told as the wrong one, and how the two are called, is upstream's. */
function validateAmounts(
  item: schema.LimitRangeItem,
  name: string,
  { at, judged }: { at: At<schema.LimitRangeItem>; judged: readonly Amount[] },
): FieldError[] {
  const of = (amount: Amount) => (judged.includes(amount) ? item[amount]?.[name] : undefined);
  const errors: FieldError[] = [];
  const refuse = (where: Amount, value: string | undefined, text: string) =>
    errors.push(invalidValue(keyed(at[where], name), value, text));
  const exceeds = (low: string | undefined, high: string | undefined) =>
    low !== undefined && high !== undefined && compareQuantities(low, high) > 0;
  const [min, max, given, request, ratio] = [
    of('min'),
    of('max'),
    of('default'),
    of('defaultRequest'),
    of('maxLimitRequestRatio'),
  ];
  if (exceeds(min, max)) refuse('min', min, `min value ${min} is greater than max value ${max}`);
  if (exceeds(min, request))
    refuse('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
  if (exceeds(request, max))
    refuse('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
  if (exceeds(request, given))
    refuse('defaultRequest', request, `default request value ${request} is greater than default limit value ${given}`);
  if (exceeds(min, given)) refuse('default', min, `min value ${min} is greater than default value ${given}`);
  if (exceeds(given, max)) refuse('default', max, `default value ${given} is greater than max value ${max}`);
  if (ratio !== undefined && compareQuantities(ratio, '1') < 0)
    refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`);
  if (ratio !== undefined && min !== undefined && max !== undefined) {
    const highest = ratioOf(max, min);
    if (ratioOf(ratio, '1') > highest)
      refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is greater than max/min = ${highest.toFixed(6)}`);
  }
  const neverShared = isExtendedResource(name) || isHugePages(name);
  if (neverShared && given !== undefined && request !== undefined && compareQuantities(given, request) !== 0)
    refuse(
      'defaultRequest',
      request,
      `default value ${given} must equal to defaultRequest value ${request} in ${name}`,
    );
  return errors;
}

function ratioOf(amount: string, by: string): number {
  const isSmall = Math.max(quantityValue(amount), quantityValue(by)) < MAX_MILLI_VALUE;
  return isSmall ? quantityMilliValue(amount) / quantityMilliValue(by) : quantityValue(amount) / quantityValue(by);
}
