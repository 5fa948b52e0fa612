/**
 * Builds an image from a Dockerfile: files are put together here, and commands are run by whoever can. What was done before
 * with the same input is taken from the store.
 */
import { readFile } from 'node:fs/promises';
import type { BlobStore } from '../blob-store.ts';
import type { Image } from '../image.ts';
import { ImageFiles } from '../image-files.ts';
import type { ReadConfig } from '../read-archive.ts';
import { BuildContext } from './build-context.ts';
import { follow } from './instructions.ts';
import { parseDockerfile, parseTrigger } from './parse.ts';
import { DockerfileProblem } from './problem.ts';
import type { RunMount } from './run-mounts.ts';
import { copyOf, filesOf, imageOf, type StageState, stateOf } from './stage-state.ts';
import { type Stage, stagesOf } from './stages.ts';

/** A command to be run over layers. */
export interface Command {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  workingDir: string;
  user: string;
  network: 'none' | 'node';
  mounts: readonly RunMount[];
}

export interface Builder {
  store: BlobStore;
  /** An image of another name; undefined: nobody has it. */
  baseImage(name: string): Promise<Image | undefined>;
  /** @returns what the command has changed, as a tar. Throws CommandEnded when it fails. */
  run(base: Image, command: Command): AsyncIterable<Uint8Array>;
  note(line: string): void;
}

export interface BuildRequest {
  /** The Dockerfile: where it is and how messages call it. */
  path: string;
  file: string;
  folder: string;
  tag: string;
  arguments: ReadonlyMap<string, string>;
  /** Files by id, for `RUN --mount=type=secret`. */
  secrets: ReadonlyMap<string, string>;
  /** The last stage to be built; undefined: the last. */
  target?: string;
  network: Command['network'];
  useCache: boolean;
}

export class ImageBuild {
  readonly request: BuildRequest;
  readonly builder: Builder;
  readonly context: BuildContext;
  readonly defaults: ReadonlyMap<string, string>;
  readonly #stages: readonly Stage[];
  readonly #built = new Map<Stage, Promise<StageState>>();
  readonly #asked = new Set<string>();

  private constructor(parts: {
    request: BuildRequest;
    builder: Builder;
    context: BuildContext;
    stages: readonly Stage[];
    defaults: ReadonlyMap<string, string>;
  }) {
    this.request = parts.request;
    this.builder = parts.builder;
    this.context = parts.context;
    this.defaults = parts.defaults;
    this.#stages = parts.stages;
  }

  /** Throws DockerfileProblem before anything is done. */
  static async open(request: BuildRequest, builder: Builder): Promise<ImageBuild> {
    const instructions = parseDockerfile(request.file, await readFile(request.path, 'utf8'));
    const { stages, defaults } = stagesOf(instructions, request.arguments);
    const context = await BuildContext.open(request.folder, `${request.path}.dockerignore`);
    const build = new ImageBuild({ request, builder, stages, defaults, context });
    for (const name of defaults.keys()) build.given(name);
    return build;
  }

  /** Stages that the wanted one does not need are left out. Throws DockerfileProblem. */
  async image(): Promise<Image> {
    const { target, tag } = this.request;
    const stage = target === undefined ? this.#stages.at(-1) : this.#stageNamed(target);
    if (!stage) throw new DockerfileProblem({ file: this.request.file, line: 1 }, `there is no stage "${target}"`);
    const state = await this.#whole(stage);
    const unused = [...this.request.arguments.keys()].filter((name) => !this.#asked.has(name) && !isProxy(name));
    if (unused.length > 0) this.builder.note(`One or more build-args [${unused.join(' ')}] were not consumed`);
    return imageOf(tag, state);
  }

  /** What --build-arg says of a name. */
  given(name: string): string | undefined {
    this.#asked.add(name);
    return this.request.arguments.get(name);
  }

  /** Commands have these without an ARG, and images do not. */
  proxies(): Record<string, string> {
    return Object.fromEntries([...this.request.arguments].filter(([name]) => isProxy(name)));
  }

  /** What `COPY --from` and `FROM` mean by a name: an earlier stage, or an image. */
  async filesOf(name: string, user: Stage): Promise<ImageFiles | undefined> {
    const stage = this.#stageNamed(name, this.#stages.indexOf(user));
    if (stage) return filesOf(await this.#whole(stage));
    const image = await this.builder.baseImage(name);
    return image && ImageFiles.of(image.layers);
  }

  #stageNamed(name: string, before = this.#stages.length): Stage | undefined {
    const earlier = this.#stages.slice(0, before);
    return (
      earlier.findLast((stage) => stage.name === name.toLowerCase()) ??
      (/^\d+$/.test(name) ? earlier[Number(name)] : undefined)
    );
  }

  #whole(stage: Stage): Promise<StageState> {
    const known = this.#built.get(stage) ?? this.#build(stage);
    this.#built.set(stage, known);
    return known;
  }

  async #build(stage: Stage): Promise<StageState> {
    const state = await this.#begin(stage);
    const triggers = (state.config.onBuild ?? []).map((text) => parseTrigger(stage.from, text));
    delete state.config.onBuild;
    for (const instruction of [...triggers, ...stage.instructions]) {
      this.builder.note(`${instruction.file}:${instruction.line} ${instruction.name} ${shortened(instruction.text)}`);
      await follow(instruction, { build: this, stage, state });
    }
    return state;
  }

  async #begin(stage: Stage): Promise<StageState> {
    const { base, from } = stage;
    if (base === 'scratch') return stateOf([], {});
    const earlier = this.#stageNamed(base, this.#stages.indexOf(stage));
    if (earlier && !/^\d+$/.test(base)) return copyOf(await this.#whole(earlier));
    const image = await this.builder.baseImage(base);
    if (!image) throw new DockerfileProblem(from, `there is no image ${base}: no node has it, and none could pull it`);
    return stateOf(image.layers, JSON.parse(image.config.toString('utf8')) as ReadConfig);
  }
}

const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];
const isProxy = (name: string): boolean => PROXIES.includes(name.toLowerCase());

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);
