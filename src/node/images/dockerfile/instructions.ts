/** What each instruction does to a stage. */
import { posix } from 'node:path';
import { copyFiles } from './copy.ts';
import type { ImageBuild } from './build.ts';
import { type Instruction, parseTrigger } from './parse.ts';
import { DockerfileProblem } from './problem.ts';
import { commandOf, mountsOf } from './run-command.ts';
import {
  addFiles,
  addLayer,
  addNote,
  byOf,
  chainOf,
  filesOf,
  imageOf,
  type StageState,
  variablesOf,
} from './stage-state.ts';
import { argsOf, PLATFORM, placed, type Stage } from './stages.ts';
import { expanded, pairsOf, wordsOf } from './words.ts';

export interface Step {
  build: ImageBuild;
  stage: Stage;
  state: StageState;
}

type Follow = (instruction: Instruction, step: Step) => void | Promise<void>;

/** Flags that may stand; others are named as unsupported. */
const FLAGS: Record<string, readonly string[]> = {
  COPY: ['from', 'chown', 'chmod', 'link'],
  ADD: ['chown', 'chmod', 'link'],
  RUN: ['network', 'mount'],
  FROM: ['platform'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function follow(instruction: Instruction, step: Step): Promise<void> {
  const allowed = FLAGS[instruction.name] ?? [];
  const odd = [...instruction.flags.keys()].find((flag) => !allowed.includes(flag));
  if (odd) throw new DockerfileProblem(instruction, `${instruction.name} --${odd} is not supported`);
  await FOLLOW[instruction.name]?.(instruction, step);
}

const FOLLOW: Record<string, Follow> = {
  RUN: run,
  COPY: copyFiles,
  ADD: copyFiles,
  ARG(instruction, { build, state }) {
    for (const [name, value] of argsOf(instruction, variablesOf(state))) {
      const chosen = build.given(name) ?? value ?? build.defaults.get(name) ?? PLATFORM.get(name);
      if (chosen !== undefined) state.args.set(name, chosen);
    }
    addNote(state, instruction);
  },
  ENV(instruction, { state }) {
    const variables = variablesOf(state);
    for (const [name, value] of placed(instruction, () => pairsOf(instruction.text, variables, instruction.escapeSign)))
      state.env.set(name, value);
    addNote(state, instruction);
  },
  LABEL(instruction, { state }) {
    const pairs = placed(instruction, () => pairsOf(instruction.text, variablesOf(state), instruction.escapeSign));
    state.config.labels = { ...state.config.labels, ...Object.fromEntries(pairs) };
    addNote(state, instruction);
  },
  MAINTAINER(instruction, { state }) {
    state.config.labels = { ...state.config.labels, maintainer: instruction.text };
    addNote(state, instruction);
  },
  async WORKDIR(instruction, { build, state }) {
    const said = placed(instruction, () => expanded(instruction.text, variablesOf(state), instruction.escapeSign));
    const path = posix.resolve('/', state.config.workingDir ?? '/', said);
    state.config.workingDir = path;
    const by = byOf(instruction);
    const files = await filesOf(state);
    if (files.resolve(path)) return addNote(state, instruction);
    const entries = [{ path: files.place(path), mode: 0o755, type: 'directory' as const }];
    await addFiles(state, entries, { store: build.builder.store, by });
  },
  USER(instruction, { state }) {
    state.config.user = placed(instruction, () =>
      expanded(instruction.text, variablesOf(state), instruction.escapeSign),
    );
    addNote(state, instruction);
  },
  EXPOSE(instruction, { state }) {
    const ports = placed(instruction, () => wordsOf(instruction.text, variablesOf(state), instruction.escapeSign)).map(
      (word) => {
        if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/i.test(word)) {
          throw new DockerfileProblem(instruction, `"${word}" is not PORT or PORT/PROTOCOL`);
        }
        return word.includes('/') ? word.toLowerCase() : `${word}/tcp`;
      },
    );
    state.config.exposedPorts = [...new Set([...(state.config.exposedPorts ?? []), ...ports])];
    addNote(state, instruction);
  },
  VOLUME(instruction, { state }) {
    const paths =
      instruction.list ??
      placed(instruction, () => wordsOf(instruction.text, variablesOf(state), instruction.escapeSign));
    state.config.volumes = [...new Set([...(state.config.volumes ?? []), ...paths])];
    addNote(state, instruction);
  },
  STOPSIGNAL(instruction, { state }) {
    state.config.stopSignal = placed(instruction, () =>
      expanded(instruction.text, variablesOf(state), instruction.escapeSign),
    );
    addNote(state, instruction);
  },
  SHELL(instruction, { state }) {
    if (!instruction.list?.length)
      throw new DockerfileProblem(instruction, 'SHELL requires the arguments to be in JSON form');
    state.shell = instruction.list;
    state.config.shell = instruction.list;
    addNote(state, instruction);
  },
  CMD(instruction, { state }) {
    state.config.cmd = commandOf(instruction, state);
    state.hasCommand = true;
    addNote(state, instruction);
  },
  ENTRYPOINT(instruction, { state }) {
    state.config.entrypoint = commandOf(instruction, state);
    // What came with the base is an argument of another program.
    if (!state.hasCommand) delete state.config.cmd;
    addNote(state, instruction);
  },
  ONBUILD(instruction, { state }) {
    const { text, escapeSign } = instruction;
    parseTrigger(instruction, text, escapeSign); // what is wrong with it is told now
    state.config.onBuild = [...(state.config.onBuild ?? []), text];
    addNote(state, instruction);
  },
  HEALTHCHECK(instruction, { build }) {
    build.builder.note(
      `${instruction.file}:${instruction.line}: HEALTHCHECK is left out: in Kubernetes a pod says how it is probed`,
    );
  },
};

async function run(instruction: Instruction, { build, state }: Step): Promise<void> {
  const { builder, request } = build;
  const said = instruction.flags.get('network');
  if (said !== undefined && !['none', 'default', 'host'].includes(said)) {
    throw new DockerfileProblem(instruction, `RUN --network=${said} is not one of: none, default, host`);
  }
  if (said === 'host' && request.network === 'none') {
    throw new DockerfileProblem(
      instruction,
      'RUN --network=host needs `--network node`, by which a build may use the network',
    );
  }
  const env = { PATH, ...Object.fromEntries(variablesOf(state)) };
  const command = {
    argv: commandOf(instruction, state),
    env: { ...build.proxies(), ...env },
    workingDir: state.config.workingDir ?? '/',
    user: state.config.user ?? '',
    network: said === 'none' ? ('none' as const) : request.network,
    mounts: mountsOf(instruction, state, request.secrets),
  };
  const { mounts, ...told } = command;
  // By which way a command has reached what it fetched makes no other layer.
  const key = JSON.stringify(['RUN 1', chainOf(state), { ...told, env }, ...(mounts.length > 0 ? [mounts] : [])]);
  const make = () => builder.run(imageOf('kedge.local/build:step', state), command);
  try {
    const layer = request.useCache ? await builder.store.remember(key, make) : await builder.store.keep(make());
    addLayer(state, layer, byOf(instruction));
  } catch (error) {
    if (!(error instanceof CommandEnded)) throw error;
    throw new DockerfileProblem(instruction, `RUN ended with exit code ${error.exitCode}${hintFor(command.network)}`);
  }
}

const hintFor = (network: 'none' | 'node'): string =>
  network === 'none' ? ' (it had no network; `--network node` gives it the one of a node)' : '';

/** A command of a build that failed; what it said was shown. */
export class CommandEnded extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the command ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}
