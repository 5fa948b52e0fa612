/**
 * What a table of nftables holds, as far as it can be compared: the elements of its sets and maps, and how many rules each chain
 * has. Told by the commands that build it, and compared with what the kernel lists. Source: nft(8).
 */

/** `add VERB FAMILY TABLE NAME …` */
const COMMAND = /^add (set|map|chain|rule|element) \S+ \S+ (\S+) ?(.*)$/s;
/** A range of one address is listed as the address. */
const RANGE_OF_ONE = /(?<=\.\d+)\/32$|\/128$/;

export class TableContents {
  /** By set or map; not those that packets fill. */
  readonly elements = new Map<string, Set<string>>();
  readonly rules = new Map<string, number>();

  /** @param commands that build it from nothing, or begin to. */
  constructor(commands: readonly string[]) {
    this.add(commands);
  }

  add(commands: readonly string[]): void {
    for (const command of commands) {
      const [, what, name = '', rest = ''] = COMMAND.exec(command) ?? [];
      if (what === 'rule') this.rules.set(name, (this.rules.get(name) ?? 0) + 1);
      else if (what === 'chain') this.rules.set(name, this.rules.get(name) ?? 0);
      else if (what === 'element') this.#put(name, rest);
      else if (what && !rest.includes('dynamic')) this.elements.set(name, this.elements.get(name) ?? new Set());
    }
  }

  #put(name: string, list: string): void {
    const elements = this.elements.get(name) ?? new Set();
    for (const element of list.slice(1, -1).split(',')) elements.add(element.trim().replace(RANGE_OF_ONE, ''));
    this.elements.set(name, elements);
  }
}

/** A chain, set or map that is not as it should be. */
export interface Difference {
  /** `chain prerouting`, `set svc` */
  part: string;
  /** There is nothing in it, or no such part. */
  isEmpty: boolean;
}

/** Reads a listing as it comes, and takes what it finds out of what is wanted: a table may have a hundred thousand elements. */
export class TableComparison {
  readonly #left: TableContents;
  #rest = '';
  #set: string | undefined;
  #chain: string | undefined;
  #isInElements = false;
  /** Parts that have anything in them. */
  readonly #filled = new Set<string>();
  /** Sets that have what is not wanted. */
  readonly #more = new Set<string>();

  /** @param wanted is used up. */
  constructor(wanted: TableContents) {
    this.#left = wanted;
  }

  read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line.trim());
  }

  /** After the whole listing: where something that is wanted is not there, or more. Chains that are not wanted do no harm. */
  get differences(): Difference[] {
    const sets = [...this.#left.elements].filter(([name, { size }]) => size > 0 || this.#more.has(name));
    const chains = [...this.#left.rules].filter(([, count]) => count !== 0);
    const parts = [...sets.map(([name]) => `set ${name}`), ...chains.map(([name]) => `chain ${name}`)];
    return parts.map((part) => ({ part, isEmpty: !this.#filled.has(part) }));
  }

  #readLine(line: string): void {
    const [, what, name = ''] = /^(set|map|chain) (\S+) \{$/.exec(line) ?? [];
    if (what) {
      this.#set = what === 'chain' ? undefined : name;
      this.#chain = what === 'chain' ? name : undefined;
    } else if (line.startsWith('elements = {')) this.#readElements(line.slice('elements = {'.length));
    else if (this.#isInElements) this.#readElements(line);
    else if (line === '}') this.#chain = undefined;
    else if (this.#chain !== undefined && line && !/^type \w+ hook |^comment "/.test(line))
      this.#countRule(this.#chain);
  }

  #readElements(text: string): void {
    this.#isInElements = !text.endsWith('}');
    const name = this.#set;
    const left = name === undefined ? undefined : this.#left.elements.get(name);
    if (name === undefined || !left) return;
    for (const element of (this.#isInElements ? text : text.slice(0, -1)).split(',')) {
      const key = element.trim();
      if (key === '') continue;
      this.#filled.add(`set ${name}`);
      if (!left.delete(key)) this.#more.add(name);
    }
  }

  #countRule(chain: string): void {
    this.#filled.add(`chain ${chain}`);
    const left = this.#left.rules.get(chain);
    if (left !== undefined) this.#left.rules.set(chain, left - 1);
  }
}
