/**
 * Which images this kubelet has pulled, and with whose credentials: an image that took a password is not for everybody who
 * finds it on the node. Files are upstream's: `image_manager/pulling/sha256-…` while a pull is under way (what is left of an
 * earlier life may have been pulled), `image_manager/pulled/sha256-…` for each image. Source: KEP-2535.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Image } from '#node/runtime/image.ts';
import { repositoryOf } from '../registry-credentials.ts';
import { readState } from '../state-file.ts';
import { Turns } from '../turns.ts';
import type { PullSource, SourceAccount, SourceSecret } from './pull-source.ts';

/** Who may have an image of one repository: everybody, or who shows one of these. */
export interface PulledWith {
  kubernetesSecrets?: SourceSecret[];
  kubernetesServiceAccounts?: SourceAccount[];
  nodePodsAccessible?: boolean;
}

interface PulledRecord {
  lastUpdatedTime: string;
  imageRef: string;
  /** By the image's name without tag and digest. */
  credentialMapping: Record<string, PulledWith>;
}

export interface PullRecordsOptions {
  clock: Clock;
  log: Log;
  /** All that are here. */
  images(): Promise<Image[]>;
}

const API = { apiVersion: 'kubelet.config.k8s.io/v1beta1' };

export class PullRecords {
  readonly #folder: string;
  readonly #options: PullRecordsOptions;
  readonly #pulled = new Map<string, PulledRecord>();
  /** Pulls under way by name, and how many; none of those that an earlier life has left. */
  readonly #pulling = new Map<string, number>();
  /** Of what concerns one file: the last that was wanted is what stands in it. */
  readonly #turns = new Turns();
  #loaded: Promise<void> | undefined;

  /** `root`: the kubelet's folder. */
  constructor(root: string, options: PullRecordsOptions) {
    this.#folder = join(root, 'image_manager');
    this.#options = options;
  }

  /** Before anything is asked. A file that cannot be read says nothing. Throws what listing images throws; the next who asks looks again. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #load(): Promise<void> {
    for (const part of ['pulling', 'pulled']) await mkdir(join(this.#folder, part), { recursive: true, mode: 0o700 });
    for (const record of await this.#read('pulled')) if (isRecord(record)) this.#pulled.set(record.imageRef, record);
    for (const intent of await this.#read('pulling')) {
      const { image } = intent as { image?: unknown };
      if (typeof image === 'string') this.#pulling.set(image, 0);
    }
    if (this.#pulling.size > 0) await this.#settleInterrupted();
  }

  /** What is here of it was pulled, and nobody knows by whom. */
  async #settleInterrupted(): Promise<void> {
    const images = await this.#options.images();
    for (const name of this.pulling) {
      const repository = repositoryOf(name);
      const [tag = ''] = /:[^/:]*$/.exec(name) ?? [];
      const image = images.find(({ repoTags }) => repoTags.includes(`${repository}${tag || ':latest'}`));
      if (!image) continue;
      await this.add(image.id, untagged(name), undefined);
      await this.end(name);
    }
  }

  async #read(part: string): Promise<object[]> {
    const names = (await readdir(join(this.#folder, part))).filter((name) => /^sha256-[0-9a-f]{64}$/.test(name));
    const found = await Promise.all(names.map((name) => readState(join(this.#folder, part, name))));
    return found.filter((each): each is object => typeof each === 'object' && each !== null);
  }

  of(imageId: string): PulledRecord | undefined {
    return this.#pulled.get(imageId);
  }

  /** Names of which a pull is under way, or was when an earlier kubelet ended. */
  get pulling(): string[] {
    return [...this.#pulling.keys()];
  }

  async begin(image: string): Promise<void> {
    this.#pulling.set(image, (this.#pulling.get(image) ?? 0) + 1);
    await this.#write('pulling', image, { ...API, kind: 'ImagePullIntent', image });
  }

  /** Whether or not something came of it. */
  async end(image: string): Promise<void> {
    const others = (this.#pulling.get(image) ?? 0) - 1;
    if (others > 0) return void this.#pulling.set(image, others);
    this.#pulling.delete(image);
    await this.#remove('pulling', image);
  }

  /** undefined `source`: nobody knows what it was pulled with, so everybody has to show something. */
  async add(imageId: string, repository: string, source: PullSource | undefined): Promise<void> {
    const before = this.#pulled.get(imageId);
    const known = before?.credentialMapping[repository];
    const next = merged(known, source);
    if (known && next === known) return;
    const record = {
      lastUpdatedTime: new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      imageRef: imageId,
      credentialMapping: Object.assign(Object.create(null), before?.credentialMapping, { [repository]: next }),
    };
    this.#pulled.set(imageId, record);
    await this.#write('pulled', imageId, { ...API, kind: 'ImagePulledRecord', ...record });
  }

  /** Of images that are not here any more, unless they came after `sinceMs`. */
  async keepOnly(imageIds: ReadonlySet<string>, sinceMs: number): Promise<void> {
    for (const [id, { lastUpdatedTime }] of this.#pulled) {
      if (imageIds.has(id) || Date.parse(lastUpdatedTime) > sinceMs - 1000) continue; // a whole second is noted
      this.#pulled.delete(id);
      await this.#remove('pulled', id);
    }
  }

  /** What cannot be written is still known in this life; the kubelet must live, for it is who makes room. */
  async #write(part: string, of: string, content: object): Promise<void> {
    const path = this.#path(part, of);
    await this.#turns
      .take(path, async () => {
        await writeFile(`${path}.tmp`, JSON.stringify(content), { mode: 0o600 });
        await rename(`${path}.tmp`, path);
      })
      .catch((error: unknown) => this.#failed(path, error));
  }

  async #remove(part: string, of: string): Promise<void> {
    const path = this.#path(part, of);
    await this.#turns.take(path, () => rm(path, { force: true })).catch((error: unknown) => this.#failed(path, error));
  }

  #failed(path: string, error: unknown): void {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    this.#options.log.warn('a record of image pulls cannot be written', { path, error: error.message });
  }

  #path(part: string, of: string): string {
    return join(this.#folder, part, `sha256-${createHash('sha256').update(of).digest('hex')}`);
  }
}

function isRecord(value: object): value is PulledRecord {
  const { imageRef, lastUpdatedTime, credentialMapping } = value as Partial<PulledRecord>;
  const isMap = typeof credentialMapping === 'object' && credentialMapping !== null;
  return typeof imageRef === 'string' && typeof lastUpdatedTime === 'string' && isMap;
}

/** The same object when nothing is new in it. */
function merged(known: PulledWith | undefined, source: PullSource | undefined): PulledWith {
  if (!source || known?.nodePodsAccessible) return known ?? {};
  if (source === 'everybody') return { nodePodsAccessible: true };
  if ('serviceAccount' in source) {
    const accounts = known?.kubernetesServiceAccounts ?? [];
    const { serviceAccount } = source;
    if (known && accounts.some((each) => isSame(each, serviceAccount))) return known;
    return { ...known, kubernetesServiceAccounts: [...accounts, serviceAccount] };
  }
  const { secret } = source;
  const secrets = known?.kubernetesSecrets ?? [];
  if (known && secrets.some((each) => isSame(each, secret) && each.credentialHash === secret.credentialHash))
    return known;
  return { ...known, kubernetesSecrets: [...secrets.filter((each) => !isSame(each, secret)), secret] };
}

/** The name as it stands in the pod, without tag and digest. */
export const untagged = (name: string): string => name.replace(/@.*$/, '').replace(/:[^/:]*$/, '');

export const isSame = (one: SourceAccount, other: SourceAccount): boolean =>
  one.uid === other.uid && one.namespace === other.namespace && one.name === other.name;
