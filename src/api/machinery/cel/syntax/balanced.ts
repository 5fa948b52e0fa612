import type { Expr } from './ast.ts';

/** `a op b op c op d` as a tree that is as low as can be; `places[i]` is where the operator before term i + 1 stands. */
export function balanced(name: string, terms: readonly Expr[], places: readonly number[]): Expr {
  const between = (low: number, high: number): Expr => {
    const middle = Math.floor((low + high + 1) / 2);
    const left = middle === low ? terms[middle]! : between(low, middle - 1);
    const right = middle === high ? terms[middle + 1]! : between(middle + 1, high);
    return { kind: 'call', at: places[middle]!, name, args: [left, right] };
  };
  return terms.length === 1 ? terms[0]! : between(0, places.length - 1);
}
