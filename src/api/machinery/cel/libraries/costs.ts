/** What the functions of libraries cost, when they run and at most: the few kinds there are. Source: k8s.io/apiserver. */
import { fixed, matched, plus, scaled, times, traversed } from '../cost/estimate-call.ts';
import { itemsCost } from '../cost/items-cost.ts';
import { matching, sizeOf, TRAVERSAL, traversal } from '../cost/size.ts';
import type { FunctionDeclaration } from '../library.ts';

type Costs = Required<Pick<FunctionDeclaration, 'cost' | 'estimate'>>;

/** One step. */
export const nominal: Costs = { cost: () => 1, estimate: () => ({ cost: fixed(1) }) };

/** Looks once through the text that it is given or called on. */
export const alongText: Costs = {
  cost: ({ args: [text] }) => traversal(sizeOf(text!)),
  estimate: ({ target, args: [first] }) => ({ cost: traversed((target ?? first)!.size) }),
};

/** The same, and gives a text that is no longer. */
export const textOfText: Costs = {
  ...alongText,
  estimate({ target, args: [first] }) {
    const { size } = (target ?? first)!;
    return { cost: traversed(size), resultSize: size };
  },
};

/** Looks once through the text, and writes as much. */
export const twiceAlongText: Costs = {
  cost: ({ args: [text] }) => Math.ceil(sizeOf(text!) * 2 * TRAVERSAL),
  estimate: ({ target, args: [first] }) => ({ cost: scaled((target ?? first)!.size, 2 * TRAVERSAL) }),
};

/** Looks for a pattern. */
export const search: Costs = {
  cost: ({ args: [text, pattern] }) => matching(sizeOf(text!), sizeOf(pattern!)),
  estimate({ target, args: [pattern] }) {
    if (!target || !pattern) return undefined;
    return { cost: matched(target.size, pattern.size), resultSize: { min: 0, max: target.size.max } };
  },
};

/** Looks at each item of a list once, and through those that are texts; `indexOf` of texts has the same. */
export const overItems: Costs = {
  cost: ({ args: [list] }) => itemsCost(list!),
  estimate({ target }) {
    if (!target) return undefined;
    if (!target.itemSize) return { cost: traversed(target.size) };
    const kind = target.type.params[0]?.kind;
    const item = kind === 'string' || kind === 'bytes' ? plus(fixed(1), traversed(target.itemSize)) : fixed(1);
    return { cost: times(target.size, item) };
  },
};
