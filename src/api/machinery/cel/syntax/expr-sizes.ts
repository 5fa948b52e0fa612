/** How many parts expressions have; a part that stands in two places counts twice. */

import type { Expr } from './ast.ts';
import { partsOf } from './walk.ts';

export class ExprSizes {
  readonly #known = new Map<Expr, number>();

  of(expr: Expr): number {
    const known = this.#known.get(expr);
    if (known !== undefined) return known;
    let size = 1;
    for (const part of partsOf(expr)) size += this.of(part);
    this.#known.set(expr, size);
    return size;
  }
}
