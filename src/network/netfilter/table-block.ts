/**
 * A whole table as one block of nft's language, `table ip x { … }`, out of the commands that would build it. Its brace is closed by
 * the last piece: whoever reads only a part of it, wherever that ends, has a syntax error and nothing else. Source: nft(8).
 */

/** `add WHAT FAMILY TABLE NAME …` */
const COMMAND = /^add (set|map|chain|rule|element) \S+ \S+ (\S+) ?(.*)$/s;

/**
 * Replaces a table. Pieces of text, of which the first is to be written at once.
 * @param table `ip kube-proxy`
 * @param parts commands that build it when it is not there: `add` of sets, maps, chains, rules, and elements after what they are of.
 */
export function* replacingBlock(table: string, parts: Iterable<readonly string[]>): Generator<string> {
  const declared = new Map<string, string>();
  yield `add table ${table}\ndelete table ${table}\ntable ${table} {\n`;
  for (const commands of parts) {
    yield commands.map((command) => entry(command, declared)).join('');
  }
  yield '}\n';
}

/** What is declared again has what it had, and more. */
function entry(command: string, declared: Map<string, string>): string {
  const [, what, name = '', rest = ''] = COMMAND.exec(command) ?? [];
  const head = declared.get(name);
  switch (what) {
    case 'chain':
      return `chain ${name} ${rest || '{ }'}\n`;
    case 'rule':
      return `chain ${name} {\n${rest}\n}\n`;
    case 'set':
    case 'map':
      declared.set(name, `${what} ${name} ${rest.replace(/;? *}$/, ';')}`);
      return `${declared.get(name)} }\n`;
    case 'element':
      if (head) return `${head} elements = ${rest}\n}\n`;
  }
  throw new Error(`no part of a table: ${command.slice(0, 100)}`);
}
