/** Which pods a node's taints keep away. Source: "Taints and Tolerations". */
import type { Taint, Toleration } from '#api/generated/schema.ts';

/** New pods are kept off; the soft effect only asks for it. */
export const repels = ({ effect }: Pick<Taint, 'effect'>): boolean => effect === 'NoSchedule' || effect === 'NoExecute';

/** Pods that run there are sent away. */
export const evicts = ({ effect }: Pick<Taint, 'effect'>): boolean => effect === 'NoExecute';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const value = taint.value ?? '';
  switch (toleration.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return Boolean(toleration.key) && (toleration.value ?? '') === value;
    case 'Gt':
      return areNumbers(value, toleration.value) && BigInt(value) > BigInt(toleration.value!);
    case 'Lt':
      return areNumbers(value, toleration.value) && BigInt(value) < BigInt(toleration.value!);
    default:
      return false;
  }
}

const areNumbers = (...texts: (string | undefined)[]) =>
  texts.every((text) => /^-?(0|[1-9]\d{0,18})$/.test(text ?? ''));

export const isTolerated = (taint: Taint, tolerations: readonly Toleration[] | undefined): boolean =>
  tolerations?.some((toleration) => tolerates(toleration, taint)) ?? false;

/** Of the taints that count, those that nothing tolerates. */
export const untolerated = (
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  counts: (taint: Taint) => boolean = repels,
): Taint[] => (taints ?? []).filter((taint) => counts(taint) && !isTolerated(taint, tolerations));

/**
 * How long a pod may stay on a node with these NoExecute taints, in seconds: 0 when one is not tolerated, undefined for ever.
 * A toleration without tolerationSeconds sets no end; of several ends the earliest counts.
 */
export function toleratedSeconds(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
): number | undefined {
  const evicting = (taints ?? []).filter(evicts);
  const used: Toleration[] = [];
  for (const taint of evicting) {
    const matching = (tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    used.push(...matching);
  }
  const ends = used.flatMap(({ tolerationSeconds }) =>
    tolerationSeconds === undefined ? [] : [Math.max(0, tolerationSeconds)],
  );
  return ends.length > 0 ? Math.min(...ends) : undefined;
}
