import type { Plugin } from './define-plugin.ts';
import type { Refused, Verdict } from './verdict.ts';

/** A plugin did not agree after all. */
export class NotPlaced extends Error {
  readonly code = 'NotPlaced';
  readonly refusedBy: readonly Plugin[];
  readonly verdict: Refused;

  constructor(plugin: Plugin, verdict: Refused) {
    super(verdict.reasons.join(', '));
    this.refusedBy = [plugin];
    this.verdict = verdict;
  }
}

/** Throws NotPlaced. */
export function agree(plugin: Plugin, verdict: Verdict | undefined): void {
  if (verdict && !verdict.fits) throw new NotPlaced(plugin, verdict);
}
