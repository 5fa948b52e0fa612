/** LimitRange: what containers of a namespace may ask for, and what they get when they do not ask. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { duplicateValue, type FieldError, forbiddenField, invalidValue } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';

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
  validate: ({ spec: { limits } }, { spec: at }) =>
    limits.flatMap((item, index) => {
      const twice = limits.findIndex(({ type }) => type === item.type) < index;
      const here = at.limits[index]!;
      return [...(twice ? [duplicateValue(here.type, item.type)] : []), ...validateItem(item, here)];
    }),
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

function validateItem(item: schema.LimitRangeItem, at: At<schema.LimitRangeItem>): FieldError[] {
  const errors = follows(at.type, item.type ?? '', qualifiedName);
  const names = new Set(AMOUNTS.flatMap((amount) => Object.keys(item[amount] ?? {})));
  if (item.type === 'Pod') {
    for (const amount of ['default', 'defaultRequest'] as const)
      if (Object.keys(item[amount] ?? {}).length > 0)
        errors.push(forbiddenField(at[amount], 'may not be specified when `type` is Pod'));
  }
  for (const name of names) {
    const exceeds = (low: (typeof AMOUNTS)[number], high: (typeof AMOUNTS)[number]) => {
      const [a, b] = [item[low]?.[name], item[high]?.[name]];
      if (a !== undefined && b !== undefined && compareQuantities(a, b) > 0)
        errors.push(
          invalidValue(keyed(at[low], name), a, `${WORDS[low]} value ${a} is greater than ${WORDS[high]} value ${b}`),
        );
    };
    exceeds('min', 'max');
    exceeds('min', 'defaultRequest');
    exceeds('defaultRequest', 'max');
    exceeds('defaultRequest', 'default');
    exceeds('default', 'max');
    exceeds('min', 'default');
  }
  return errors;
}

const WORDS = {
  max: 'max',
  min: 'min',
  default: 'default limit',
  defaultRequest: 'default request',
  maxLimitRequestRatio: 'ratio',
};
