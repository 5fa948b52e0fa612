/** Why a text is no YAML, in the words and with the line that users of Go's reader know. Source: YAML 1.1; libyaml's parser. */
import { YamlComplaint } from './yaml-cursor.ts';
import { type YamlToken, type YamlTokenType, yamlTokens } from './yaml-tokens.ts';

/** Of the first document; undefined when no fault is found. */
export function yamlProblem(text: string): string | undefined {
  const { tokens, complaint } = yamlTokens(text);
  try {
    new Grammar(tokens).document();
  } catch (error) {
    if (error instanceof EndOfTokens) return complaint && located(complaint.message, complaint.line, 1);
    if (error instanceof YamlComplaint) return located(error.message, error.line, 0);
    throw error;
  }
  return undefined;
}

/** The first line has no number; of what the grammar refuses it is the one before. */
const located = (message: string, line: number, from: 0 | 1): string =>
  line === 0 ? message : `line ${line + from}: ${message}`;

/** The grammar wants a token that could not be read. */
class EndOfTokens extends Error {}

class Grammar {
  readonly #tokens: readonly YamlToken[];
  readonly #handles = new Set(['!!']);
  #at = 0;

  constructor(tokens: readonly YamlToken[]) {
    this.#tokens = tokens;
  }

  document(): void {
    const hasDirectives = this.#is('directive');
    for (; this.#is('directive'); this.#at++) {
      const [name, value = ''] = this.#token.text?.split(/\s+/) ?? [];
      if (name === '%TAG') this.#handles.add(value);
      else if (!value.startsWith('1.')) this.#complain('found incompatible YAML document');
    }
    if (hasDirectives && !this.#is('document start')) this.#complain('did not find expected <document start>');
    if (this.#is('document start')) this.#at++;
    if (!this.#is('end of text')) this.#node({ isBlock: true });
    this.#is('end of text'); // what stands behind it must at least be a token
  }

  get #token(): YamlToken {
    const token = this.#tokens[this.#at];
    if (!token) throw new EndOfTokens();
    return token;
  }

  #is(...types: readonly YamlTokenType[]): boolean {
    return types.includes(this.#token.type);
  }

  #complain(message: string): never {
    throw new YamlComplaint(message, this.#token.line);
  }

  #take(type: YamlTokenType): boolean {
    if (!this.#is(type)) return false;
    this.#at++;
    return true;
  }

  /** `isIndentless`: a sequence may stand as far out as the key that it belongs to. */
  #node({ isBlock, isIndentless = false }: { isBlock: boolean; isIndentless?: boolean }): void {
    if (this.#take('alias')) return;
    const hasProperties = this.#properties();
    if (isIndentless && this.#is('block entry')) this.#indentlessSequence();
    else if (this.#take('scalar')) {
      // A leaf.
    } else if (this.#take('[')) this.#flowSequence();
    else if (this.#take('{')) this.#flowMapping();
    else if (isBlock && this.#take('block sequence')) this.#blockSequence();
    else if (isBlock && this.#take('block mapping')) this.#blockMapping();
    else if (!hasProperties) this.#complain('did not find expected node content');
  }

  /** An anchor, a tag, or both. */
  #properties(): boolean {
    const start = this.#at;
    if (this.#take('anchor')) this.#tag();
    else if (this.#tag()) this.#take('anchor');
    return this.#at > start;
  }

  #tag(): boolean {
    const { text } = this.#token;
    if (this.#is('tag') && text && !this.#handles.has(text)) this.#complain('found undefined tag handle');
    return this.#take('tag');
  }

  #blockSequence(): void {
    while (this.#take('block entry')) if (!this.#is('block entry', 'block end')) this.#node({ isBlock: true });
    if (!this.#take('block end')) this.#complain("did not find expected '-' indicator");
  }

  #indentlessSequence(): void {
    while (this.#take('block entry'))
      if (!this.#is('block entry', 'key', 'value', 'block end')) this.#node({ isBlock: true });
  }

  #blockMapping(): void {
    const part = () => {
      if (!this.#is('key', 'value', 'block end')) this.#node({ isBlock: true, isIndentless: true });
    };
    while (this.#take('key')) {
      part();
      if (this.#take('value')) part();
    }
    if (!this.#take('block end')) this.#complain('did not find expected key');
  }

  #flowSequence(): void {
    for (let isFirst = true; !this.#take(']'); isFirst = false) {
      if (!isFirst && !this.#take(',')) this.#complain("did not find expected ',' or ']'");
      if (this.#is('key')) this.#flowPair(']');
      else if (!this.#is(']')) this.#node({ isBlock: false });
    }
  }

  #flowMapping(): void {
    for (let isFirst = true; !this.#take('}'); isFirst = false) {
      if (!isFirst && !this.#take(',')) this.#complain("did not find expected ',' or '}'");
      if (this.#is('key')) this.#flowPair('}');
      else if (!this.#is('}')) this.#node({ isBlock: false });
    }
  }

  #flowPair(end: ']' | '}'): void {
    this.#at++;
    if (!this.#is('value', ',', end)) this.#node({ isBlock: false });
    if (this.#take('value') && !this.#is(',', end)) this.#node({ isBlock: false });
  }
}
