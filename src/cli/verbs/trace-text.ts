/** A trace for people: a line a hop, and below it what more there is to say. */
import type { Hop, Trace } from '#network/trace/hop.ts';

const MARKS: Readonly<Record<Hop['state'], string>> = { passes: '✓', breaks: '✗', unknown: '?' };

export function traceText({ url, from, hops, isBroken }: Trace): string {
  const width = Math.max(...hops.map(({ at }) => at.length), 0);
  const indent = ' '.repeat(width + 4);
  const lines = hops.flatMap(({ at, state, says, why, next, details = [] }) => [
    `${MARKS[state]} ${at.padEnd(width)}  ${plain(says)}`,
    ...(why ? [`${indent}${plain(why)}`] : []),
    ...details.map((detail) => `${indent}· ${plain(detail)}`),
    ...(next ? [`${indent}→ ${plain(next)}`] : []),
  ]);
  const broken = hops.find(({ state }) => state === 'breaks');
  const unsure = hops.some(({ state }) => state === 'unknown');
  const end = isBroken
    ? `It breaks at ${broken?.at}.`
    : unsure
      ? 'Nothing that can be seen is in its way.'
      : 'It arrives.';
  return `${url} from ${from}\n\n${lines.join('\n')}\n\n${end}\n`;
}

/** One line, whatever a container says of itself; an escape, which a terminal would obey, is shown as kubectl shows it. */
const plain = (text: string): string => text.replaceAll('\x1b', '^[').replace(/\p{Cc}/gu, ' ');
