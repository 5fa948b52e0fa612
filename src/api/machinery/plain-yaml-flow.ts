/** Collections of plain YAML in brackets, in one line. */
import {
  APOSTROPHE,
  COLON,
  isBreak,
  NEWLINE,
  NotPlain,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  SPACE,
} from './plain-yaml-lines.ts';
import { PlainYamlScalars, trimmed } from './plain-yaml-scalars.ts';
import { setOwn } from './set-own.ts';

/** Longer keys are the full reader's. In characters. */
export const MAX_KEY = 1000;

export class PlainYamlFlow extends PlainYamlScalars {
  /** Offsets of keys that stand twice in their map, in the order of the text. */
  protected readonly duplicates: number[] = [];
  protected depth = 0;

  /** A collection in brackets, in one line. */
  protected flow(): unknown {
    if (++this.depth > this.options.maxDepth) throw new RangeError();
    const value = this.at(0) === OPEN_MAP ? this.#flowMap() : this.#flowList();
    this.depth--;
    return value;
  }

  #flowList(): unknown[] {
    const items: unknown[] = [];
    this.pos++;
    for (;;) {
      this.skipSpaces();
      if (this.at(0) === 0x5d /* ] */) break;
      items.push(this.#flowNode());
      if (!this.#comma(0x5d)) break;
    }
    this.pos++;
    return items;
  }

  #flowMap(): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.pos++;
    for (;;) {
      this.skipSpaces();
      if (this.at(0) === 0x7d /* } */) break;
      const at = this.pos;
      const key = this.#flowScalar();
      if (typeof key !== 'string' || key === '<<' || this.pos - at > MAX_KEY) throw new NotPlain();
      if (this.at(0) !== COLON || this.at(1) !== SPACE) throw new NotPlain();
      this.pos++;
      this.skipSpaces();
      if (Object.hasOwn(map, key)) this.duplicate(at);
      setOwn(map, key, this.#flowNode());
      if (!this.#comma(0x7d)) break;
    }
    this.pos++;
    return map;
  }

  /** Past a comma; false where the collection ends instead. */
  #comma(end: number): boolean {
    this.skipSpaces();
    const char = this.at(0);
    if (char === end) return false;
    if (char !== 0x2c /* , */) throw new NotPlain();
    this.pos++;
    return true;
  }

  #flowNode(): unknown {
    const first = this.at(0);
    return first === OPEN_MAP || first === OPEN_LIST ? this.flow() : this.#flowScalar();
  }

  #flowScalar(): unknown {
    const first = this.at(0);
    if (first === QUOTE || first === APOSTROPHE) return this.quoted();
    const start = this.pos;
    while (isFlowText(this.at(0), this.at(1))) this.pos++;
    const text = trimmed(this.text.slice(start, this.pos));
    if (text.includes(' #') || text.includes('\t')) throw new NotPlain();
    return this.plain(text);
  }

  protected duplicate(at: number): void {
    if (this.duplicates.length < this.options.maxDuplicates) this.duplicates.push(at);
  }
}

/** Whether a scalar without quotes may go on with this, inside of brackets. */
const isFlowText = (char: number, next: number): boolean => {
  if (Number.isNaN(char) || char === NEWLINE) return false;
  if (char === 0x2c || char === 0x5b || char === 0x5d || char === 0x7b || char === 0x7d) return false;
  return (
    char !== COLON ||
    !(isBreak(next) || next === 0x2c || next === 0x5b || next === 0x5d || next === 0x7d || next === 0x7b)
  );
};
