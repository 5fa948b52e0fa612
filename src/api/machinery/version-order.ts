const KUBE_VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STABILITY: Readonly<Record<string, number>> = { alpha: 0, beta: 1 };

/**
 * Orders versions of an API, the newest and most stable first: v10, v2, v1, v11beta2, v3beta1, v12alpha1, then others by
 * name. Source: apimachinery, version.CompareKubeAwareVersionStrings.
 */
export function compareVersions(a: string, b: string): number {
  const left = KUBE_VERSION.exec(a);
  const right = KUBE_VERSION.exec(b);
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0;
  const stability = (of: RegExpExecArray) => (of[2] === undefined ? 2 : STABILITY[of[2]]!);
  return (
    stability(right) - stability(left) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  );
}
