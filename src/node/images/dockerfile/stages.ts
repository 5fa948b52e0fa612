/** The stages of a Dockerfile. */
import type { Instruction } from './parse.ts';
import { DockerfileProblem } from './problem.ts';
import { expanded, pairsOf } from './words.ts';
import { architecture } from '../image.ts';

export interface Stage {
  from: Instruction;
  /** What it begins with, variables replaced: `scratch`, another stage, an image. */
  base: string;
  /** In small letters. */
  name: string | undefined;
  instructions: Instruction[];
}

export interface Stages {
  stages: Stage[];
  /** Of ARGs before the first FROM: what an ARG of the same name without a value means in a stage. */
  defaults: ReadonlyMap<string, string>;
}

const PLATFORM_WORDS = { PLATFORM: `linux/${architecture()}`, OS: 'linux', ARCH: architecture(), VARIANT: '' };

/** What is known before anything is said: an ARG of the name without a value has it. */
export const PLATFORM: ReadonlyMap<string, string> = new Map(
  ['TARGET', 'BUILD'].flatMap((of) => Object.entries(PLATFORM_WORDS).map(([part, word]) => [`${of}${part}`, word])),
);

/** Throws DockerfileProblem. `given`: --build-arg. */
export function stagesOf(instructions: readonly Instruction[], given: ReadonlyMap<string, string>): Stages {
  const defaults = new Map<string, string>();
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const current = stages.at(-1);
    if (instruction.name === 'FROM') stages.push(stageOf(instruction, defaults));
    else if (current) current.instructions.push(instruction);
    else if (instruction.name === 'ARG')
      for (const [key, value] of argsOf(instruction, defaults)) {
        defaults.set(key, given.get(key) ?? value ?? '');
      }
    else throw new DockerfileProblem(instruction, `${instruction.name} stands before the first FROM`);
  }
  return { stages, defaults };
}

function stageOf(from: Instruction, variables: ReadonlyMap<string, string>): Stage {
  const said = from.flags.get('platform') ?? '';
  const platform = placed(from, () => expanded(said, new Map([...PLATFORM, ...variables]), from.escapeSign));
  if (platform !== '' && platform !== PLATFORM.get('TARGETPLATFORM')) {
    throw new DockerfileProblem(
      from,
      `FROM --platform=${platform} is not supported: images are built for this machine`,
    );
  }
  const [, image = '', name] = /^(\S+)(?:\s+[aA][sS]\s+(\S+))?$/.exec(from.text) ?? [];
  if (!image)
    throw new DockerfileProblem(from, 'FROM requires either one argument, or three: FROM <image> [AS <name>]');
  if (name !== undefined && !/^[a-z][a-z0-9._-]*$/i.test(name)) {
    throw new DockerfileProblem(from, `"${name}" is not a name for a stage`);
  }
  const base = placed(from, () => expanded(image, new Map([...PLATFORM, ...variables]), from.escapeSign));
  if (!base) throw new DockerfileProblem(from, `base name (${image}) should not be blank`);
  return { from, base, name: name?.toLowerCase(), instructions: [] };
}

/** `NAME`, `NAME=value`, several of them. */
export function argsOf(
  instruction: Instruction,
  variables: ReadonlyMap<string, string>,
): [string, string | undefined][] {
  return instruction.text.split(/\s+(?=[A-Za-z_][A-Za-z0-9_]*(?:=|\s|$))/).map((word) => {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(word)) return [word, undefined];
    const [pair] = placed(instruction, () => pairsOf(word, variables, instruction.escapeSign));
    if (!pair || !/^[A-Za-z_]\w*=/.test(word)) throw new DockerfileProblem(instruction, `"${word}" is not NAME=value`);
    return pair;
  });
}

/** What words complain of gets its place. */
export function placed<T>(instruction: Instruction, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DockerfileProblem(instruction, error.message);
  }
}
