/** A text as kubectl reads it: JSON values one behind the other, or documents of YAML. Source: apimachinery, YAMLOrJSONDecoder. */
import { parseFirstJson } from '#api/machinery/codec-json.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { VerbError } from './verb-error.ts';

/** null for a document without anything in it. Throws VerbError at the first that cannot be read, which ends the text. */
export function* valuesIn(text: string): Generator<unknown> {
  if (/^\s*\{/.test(text)) yield* jsonValuesIn(text);
  else yield* yamlValuesIn(text);
}

/** What looks like JSON may be YAML: `{a: b}`. Once a first value was JSON, only `---` leads to YAML. */
function* jsonValuesIn(text: string): Generator<unknown> {
  for (let at = startOfValue(text, 0), count = 0; at < text.length; count++) {
    const read = parseFirstJson(text, at);
    if ('value' in read) {
      yield read.value;
      at = startOfValue(text, read.end);
      continue;
    }
    if (read.isCut) throw new VerbError('unexpected EOF');
    const rest = text.slice(at);
    if (count > 0 && !rest.startsWith('---')) throw jsonError(read);
    const values = yamlValuesIn(rest.replace(/^---.*\r?\n?/, ''));
    try {
      yield values.next().value;
    } catch {
      throw jsonError(read);
    }
    return yield* values;
  }
}

const startOfValue = (text: string, from: number): number => from + (/^\s*/.exec(text.slice(from))?.[0].length ?? 0);

const jsonError = ({ problem, at }: { problem: string; at: number }): VerbError =>
  new VerbError(`json: offset ${at}: ${problem}`);

function* yamlValuesIn(text: string): Generator<unknown> {
  for (const document of documentsIn(text)) {
    const parsed = parseYaml(document, { isTrusted: true });
    if ('problem' in parsed) throw new VerbError(parsed.problem);
    yield parsed.value;
  }
}

/** Cut at lines that begin with three dashes, behind which only a comment may stand. Every line ends, the last one too. */
function* documentsIn(text: string): Generator<string> {
  let document = '';
  for (const line of text.replace(/\n$/, '').split('\n')) {
    if (!line.startsWith('---')) {
      document += `${line}\n`;
      continue;
    }
    const behind = line.slice(3).trim();
    if (behind && !behind.startsWith('#')) throw new VerbError(`invalid Yaml document separator: ${behind}`);
    yield document;
    document = '';
  }
  yield document;
}
