/** Texts as CEL has them: sequences of code points. JavaScript's are of UTF-16 units; most texts need no difference. */

const HAS_PAIRS = /[\ud800-\udbff]/;

export const hasPairs = (text: string): boolean => HAS_PAIRS.test(text);

/** In code points. */
export const lengthOf = (text: string): number => (HAS_PAIRS.test(text) ? [...text].length : text.length);

/** Below 0 when `a` stands before `b` in the order of code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!HAS_PAIRS.test(a) && !HAS_PAIRS.test(b)) return a < b ? -1 : 1;
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
