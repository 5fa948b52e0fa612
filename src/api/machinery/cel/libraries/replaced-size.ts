import { plus, type Range, times } from '../cost/estimate-call.ts';

/** How long a text can be after replacing `from` by `to`, each of a length in a range. Source: k8s.io/apiserver. */
export function replacedSize(text: Range, from: Range, to: Range): Range {
  const most = longest(text.max, from.min, to.max);
  const least = shortest(text.min, from.max, to.min);
  const count: Range = { min: least.count, max: most.count };
  return plus(times(count, to), { min: least.kept, max: most.kept });
}

interface Replaced {
  count: number;
  /** Of the text itself. */
  kept: number;
}

/** An empty `from` is found before, behind and between all characters. */
function longest(text: number, from: number, to: number): Replaced {
  if (from === 0) return { count: text + 1, kept: text };
  return to <= from ? { count: 0, kept: text } : { count: Math.ceil(text / from), kept: 0 };
}

function shortest(text: number, from: number, to: number): Replaced {
  if (from === 0) return { count: text + 1, kept: text };
  return from <= to ? { count: 0, kept: text } : { count: Math.ceil(text / from), kept: 0 };
}
