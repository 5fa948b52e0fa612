/** What RUN is to run: an instruction's words, a script, with the folders that it has besides. */
import type { Instruction } from './parse.ts';
import { DockerfileProblem } from './problem.ts';
import { type RunMount, runMount } from './run-mounts.ts';
import { type StageState, variablesOf } from './stage-state.ts';
import { placed } from './stages.ts';
import { expanded } from './words.ts';

/** Its shell reads here-documents by itself, but one that stands alone is the script. */
export function commandOf(instruction: Instruction, { shell }: Pick<StageState, 'shell'>): string[] {
  const { list, text, documents } = instruction;
  if (list) return list;
  const [only] = documents;
  if (!only) return [...shell, text];
  if (documents.length > 1 || only.word !== text.trim())
    return [...shell, `${text}\n${documents.map(({ raw }) => raw).join('')}`];
  const [, program] = /^#!\s*(.*)/.exec(only.content) ?? [];
  if (program === undefined) return [...shell, only.content];
  // Its program reads it as a file, which is there for this command alone.
  if (only.content.split('\n').includes(END))
    throw new DockerfileProblem(instruction, `a script cannot contain ${END}`);
  return [...shell, `${program} /dev/stdin <<'${END}'\n${only.content}${END}\n`];
}

const END = 'KEDGE_END_OF_SCRIPT';

export function mountsOf(
  instruction: Instruction,
  state: StageState,
  secrets: ReadonlyMap<string, string>,
): RunMount[] {
  const workingDir = state.config.workingDir ?? '/';
  return instruction.mounts.flatMap((said) =>
    placed(instruction, () => {
      const whole = expanded(said, variablesOf(state), instruction.escapeSign);
      return runMount(whole, { workingDir, has: (id) => secrets.has(id) }) ?? [];
    }),
  );
}
