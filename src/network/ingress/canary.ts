/** A second backend for some of the requests of a route. Source: ingress-nginx' documentation, "Canary". */
import { expressions } from './expressions.ts';
import { ANNOTATION_PREFIX } from './route-options.ts';

export interface Canary {
  backend: string | undefined;
  header?: string;
  /** Exactly this; absent: `always` and `never` decide. */
  headerValue?: string;
  /** In it, where no value is given. A regular expression. */
  headerPattern?: string;
  cookie?: string;
  /** Of `weightTotal` requests that neither header nor cookie decides on. */
  weight: number;
  weightTotal: number;
}

export const isCanary = (annotations: Readonly<Record<string, string>> = {}): boolean =>
  annotations[`${ANNOTATION_PREFIX}canary`] === 'true';

export function canaryOf(backend: string | undefined, annotations: Readonly<Record<string, string>> = {}): Canary {
  const text = (name: string) => annotations[ANNOTATION_PREFIX + name] || undefined;
  const [header, headerValue, headerPattern, cookie] = ['header', 'header-value', 'header-pattern', 'cookie'].map(
    (by) => text(`canary-by-${by}`),
  );
  return {
    backend,
    ...(header && { header: header.toLowerCase() }),
    ...(headerValue ? { headerValue } : headerPattern && { headerPattern }),
    ...(cookie && { cookie }),
    weight: Number(text('canary-weight') ?? 0) || 0,
    weightTotal: Number(text('canary-weight-total') ?? 100) || 100,
  };
}

/** Header before cookie before weight. @param random from 0 to below 1. */
export function takesCanary(
  { header, headerValue, headerPattern, cookie, weight, weightTotal }: Canary,
  asked: { header(name: string): string | undefined; cookie(name: string): string | undefined },
  random: () => number,
): boolean {
  const said = header && asked.header(header);
  if (said !== undefined && headerValue !== undefined && said === headerValue) return true;
  if (said !== undefined && headerPattern !== undefined && expressions.matcher(headerPattern, said)?.find())
    return true;
  const isPlain = headerValue === undefined && headerPattern === undefined;
  for (const choice of [isPlain ? said : undefined, cookie && asked.cookie(cookie)]) {
    if (choice === 'always') return true;
    if (choice === 'never') return false;
  }
  return random() * weightTotal < weight;
}
