/** `<<EOF` and what follows it. Source: "Dockerfile reference", "Here-Documents". */
export interface HereDocument {
  /** As it stands in the instruction: `<<-"EOF"`. */
  word: string;
  name: string;
  /** Without the tabs that `<<-` takes away. */
  content: string;
  /** As it stands in the file, with its last line. */
  raw: string;
  /** In quotes its variables are not replaced. */
  isLiteral: boolean;
}

interface Opening {
  word: string;
  name: string;
  isLiteral: boolean;
  takesTabs: boolean;
}

const WORD = /^\d*<<(-?)(?:'([^']+)'|"([^"]+)"|([A-Za-z_][^\s<>|&;'"]*))$/;

/** Those that an instruction's line begins, in order. */
export function openingsIn(text: string): Opening[] {
  return rawWords(text).flatMap((word): Opening[] => {
    const [all, dash, single, double, plain] = WORD.exec(word) ?? [];
    const name = single ?? double ?? plain;
    if (all === undefined || name === undefined) return [];
    return [{ word, name, isLiteral: plain === undefined, takesTabs: dash === '-' }];
  });
}

/** @param lines from the first after the instruction on. undefined: its end is missing */
export function hereDocument(opening: Opening, lines: readonly string[]): HereDocument | undefined {
  const { word, name, isLiteral, takesTabs } = opening;
  const plain = lines.map((line) => (takesTabs ? line.replace(/^\t+/, '') : line));
  const end = plain.indexOf(name);
  if (end === -1) return undefined;
  const content = plain.slice(0, end).map((line) => `${line}\n`);
  const raw = lines.slice(0, end + 1).map((line) => `${line}\n`);
  return { word, name, isLiteral, content: content.join(''), raw: raw.join('') };
}

/** With their quotes. */
function rawWords(text: string): string[] {
  return text.match(/(?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")+/g) ?? [];
}
