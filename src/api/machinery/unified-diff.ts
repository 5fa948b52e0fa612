/** Where two texts differ, as `diff -u` tells it, with three lines around each change and no names of files. */

const CONTEXT = 3;
/** Of two texts of which more than this has to be compared, all of what differs is told as one change. */
const MAX_COMPARISONS = 4_000_000;

interface Line {
  mark: ' ' | '-' | '+';
  text: string;
}

/** Of two pieces of JSON, whatever the order of their keys. */
export const differenceOf = (before: unknown, after: unknown): string => unifiedDiff(pretty(before), pretty(after));

const pretty = (value: unknown): string => JSON.stringify(value, inOrder, 1) ?? 'null';

const inOrder = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** '' of texts that are the same. */
export function unifiedDiff(before: string, after: string): string {
  const lines = compared(before.split('\n'), after.split('\n'));
  const shown = lines.map((_, index) => lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(isChange));
  const parts: string[] = [];
  let [old, now] = [1, 1];
  for (let index = 0; index < lines.length; ) {
    let end = index;
    while (end < lines.length && shown[end] === shown[index]) end++;
    const part = lines.slice(index, end);
    const [had, has] = [part.filter(({ mark }) => mark !== '+').length, part.filter(({ mark }) => mark !== '-').length];
    if (shown[index])
      parts.push(`@@ -${span(old, had)} +${span(now, has)} @@\n`, ...part.map(({ mark, text }) => `${mark}${text}\n`));
    [old, now, index] = [old + had, now + has, end];
  }
  return parts.join('');
}

const isChange = ({ mark }: Line): boolean => mark !== ' ';

/** A single line is told without its number of lines. */
const span = (start: number, count: number): string =>
  count === 1 ? String(start) : `${count === 0 ? start - 1 : start},${count}`;

function compared(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  const most = Math.min(before.length, after.length) - head;
  while (tail < most && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const same = (text: string): Line => ({ mark: ' ', text });
  return [
    ...before.slice(0, head).map(same),
    ...changed(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ];
}

/** By the longest common subsequence. */
function changed(before: readonly string[], after: readonly string[]): Line[] {
  const removed = (text: string): Line => ({ mark: '-', text });
  const added = (text: string): Line => ({ mark: '+', text });
  if (before.length * after.length > MAX_COMPARISONS) return [...before.map(removed), ...after.map(added)];
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  const lengthAt = (i: number, j: number) => lengths[i * width + j]!;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      lengths[i * width + j] =
        before[i] === after[j] ? lengthAt(i + 1, j + 1) + 1 : Math.max(lengthAt(i + 1, j), lengthAt(i, j + 1));
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ mark: ' ', text: before[i]! });
      i++;
      j++;
    } else if (i < before.length && (j >= after.length || lengthAt(i + 1, j) >= lengthAt(i, j + 1)))
      lines.push(removed(before[i++]!));
    else lines.push(added(after[j++]!));
  }
  return lines;
}
