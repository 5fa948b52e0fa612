import { expect, test } from 'vitest';
import { createVerb } from './create.ts';
import { runVerb } from './run-verb.ts';
import type { Verb, VerbIo } from './verb.ts';

async function helpOf(verb: Verb): Promise<string> {
  let told = '';
  await runVerb(verb, ['--help'], { out: (text) => (told += String(text)) } as Partial<VerbIo> as VerbIo);
  return told;
}

test('what the commands of a command are for stands in a column, however long their names', async () => {
  const commands = (await helpOf(createVerb)).split('\n').filter((line) => / create an? | ask for /.test(line));
  expect(commands).toHaveLength(createVerb.verbs!.length);
  expect(new Set(commands.map((line) => line.search(/(?<= {2})(create|ask) /))).size).toBe(1);
});

test('a flag of every command that the command has for itself is told once', async () => {
  const binding = createVerb.verbs!.find(({ name }) => name === 'rolebinding')!;
  expect((await helpOf(binding)).match(/--user=/g)).toHaveLength(2); // with the line of usage
});
