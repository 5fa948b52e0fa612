/** What a stage of a build has become so far. */
import { type Blob, type BlobStore, sha256 } from '../blob-store.ts';
import { assembleImage, diffIdOf, type HistoryEntry, type Image, type ImageConfig, type Layer } from '../image.ts';
import { ImageFiles } from '../image-files.ts';
import { makeLayer } from '../layer.ts';
import type { ReadConfig } from '../read-archive.ts';
import type { TarEntry } from '../tar-entry.ts';
import type { Instruction } from './parse.ts';

/** Changed in place by the stage's instructions. */
export interface StageState {
  layers: Layer[];
  history: HistoryEntry[];
  config: Mutable<ImageConfig>;
  env: Map<string, string>;
  /** ARGs that were declared. */
  args: Map<string, string>;
  shell: readonly string[];
  /** CMD was given in this stage: an ENTRYPOINT leaves it. */
  hasCommand: boolean;
  files: ImageFiles | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const SHELL = ['/bin/sh', '-c'];

/** What a stage begins with. */
export function stateOf(layers: readonly Layer[], { config = {}, history }: ReadConfig): StageState {
  const {
    User,
    Env = [],
    Entrypoint,
    Cmd,
    WorkingDir,
    Labels,
    ExposedPorts,
    Volumes,
    StopSignal,
    Shell,
    OnBuild,
  } = config;
  return {
    layers: [...layers],
    history: [...(history ?? layers.map(() => ({})))],
    env: new Map(Env.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)])),
    args: new Map(),
    shell: Shell ?? SHELL,
    hasCommand: false,
    files: undefined,
    config: {
      ...(User && { user: User }),
      ...(Entrypoint && { entrypoint: Entrypoint }),
      ...(Cmd && { cmd: Cmd }),
      ...(WorkingDir && { workingDir: WorkingDir }),
      ...(Labels && { labels: Labels }),
      ...(ExposedPorts && { exposedPorts: Object.keys(ExposedPorts) }),
      ...(Volumes && { volumes: Object.keys(Volumes) }),
      ...(StopSignal && { stopSignal: StopSignal }),
      ...(Shell && { shell: Shell }),
      ...(OnBuild && { onBuild: OnBuild }),
    },
  };
}

export const copyOf = (state: StageState): StageState => ({
  ...state,
  layers: [...state.layers],
  history: [...state.history],
  env: new Map(state.env),
  args: new Map(state.args),
  hasCommand: false,
  config: { ...state.config },
});

export const imageOf = (tag: string, { layers, config, env, history }: StageState): Image =>
  assembleImage(tag, layers, { ...config, env: Object.fromEntries(env) }, history);

/** As they are now; read once for several instructions that only look. */
export async function filesOf(state: StageState): Promise<ImageFiles> {
  state.files ??= await ImageFiles.of(state.layers);
  return state.files;
}

/** A layer of files over what is there: folders that are there stay as they are. */
export async function addFiles(
  state: StageState,
  entries: readonly TarEntry[],
  { store, by }: { store: BlobStore; by: string },
): Promise<void> {
  if (entries.length === 0) return;
  const files = await filesOf(state);
  const isThere = (path: string) => files.resolve(path)?.type === 'directory';
  addLayer(state, await makeLayer(store, entries, isThere), by);
}

export function addLayer(state: StageState, layer: Blob, by: string): void {
  state.layers.push(layer);
  state.history.push({ created_by: by });
  state.files = undefined;
}

/** What a step's result depends on besides itself. */
export const chainOf = ({ layers }: StageState): string => sha256(layers.map(diffIdOf).join('\n'));

/** What `$NAME` means here: ENV wins over ARG. */
export const variablesOf = ({ env, args }: StageState): Map<string, string> => new Map([...args, ...env]);

export const byOf = ({ name, text }: Instruction): string => `${name} ${text}`;

/** An instruction without a layer. */
export function addNote(state: StageState, instruction: Instruction): void {
  state.history.push({ created_by: byOf(instruction), empty_layer: true });
}
