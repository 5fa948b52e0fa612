/**
 * What a table of nftables holds, as far as it can be compared: the elements of its sets and maps, and how many rules each chain
 * has. Told by the commands that build it, and compared with what the kernel lists. Source: nft(8).
 */

/** How who looks at everything, which may be a second's work, lets others have their turn. */
export const turnOfOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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

/** Reads a listing as it comes, and takes what it finds out of what is wanted: a table may have a hundred thousand elements. */
export class TableComparison {
  readonly #left: TableContents;
  #rest = '';
  #set: Set<string> | undefined;
  #chain: string | undefined;
  #isInElements = false;
  #hasMore = false;

  /** @param wanted is used up. */
  constructor(wanted: TableContents) {
    this.#left = wanted;
  }

  read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line.trim());
  }

  /** After the whole listing: everything that is wanted is there, and no set has more. Chains that are not wanted do no harm. */
  get isAsWanted(): boolean {
    const isEmpty = [...this.#left.elements.values()].every(({ size }) => size === 0);
    return isEmpty && !this.#hasMore && [...this.#left.rules.values()].every((count) => count === 0);
  }

  #readLine(line: string): void {
    const [, what, name = ''] = /^(set|map|chain) (\S+) \{$/.exec(line) ?? [];
    if (what) {
      this.#set = what === 'chain' ? undefined : this.#left.elements.get(name);
      this.#chain = what === 'chain' ? name : undefined;
    } else if (line.startsWith('elements = {')) this.#readElements(line.slice('elements = {'.length));
    else if (this.#isInElements) this.#readElements(line);
    else if (line === '}') this.#chain = undefined;
    else if (this.#chain !== undefined && line && !/^type \w+ hook |^comment "/.test(line))
      this.#countRule(this.#chain);
  }

  #readElements(text: string): void {
    this.#isInElements = !text.endsWith('}');
    if (!this.#set) return;
    for (const element of (this.#isInElements ? text : text.slice(0, -1)).split(',')) {
      const key = element.trim();
      if (key && !this.#set.delete(key)) this.#hasMore = true;
    }
  }

  #countRule(chain: string): void {
    const left = this.#left.rules.get(chain);
    if (left !== undefined) this.#left.rules.set(chain, left - 1);
  }
}
