/**
 * The manifests of each repository: their bytes are blobs; beside them stand what each is, what refers to it, and tags.
 *
 *     repositories/NAME/_blobs/HEX              the repository has this blob
 *     repositories/NAME/_manifests/HEX          {mediaType, …}: and it is a manifest
 *     repositories/NAME/_tags/TAG               a digest
 *     repositories/NAME/_referrers/HEX/HEX      a descriptor of what has the first as its subject
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blobs, namesIn } from './blobs.ts';
import { algorithmOf, digestOf, digestWithHex, hexOf } from './digests.ts';
import { type Descriptor, type ManifestContent, manifestContent } from './manifest-content.ts';
import type { Reference } from './names.ts';
import { RegistryError } from './registry-error.ts';
import { absent, readIfThere, writeWhole } from './whole-file.ts';

export interface StoredManifest {
  digest: string;
  mediaType: string;
  bytes: Buffer;
}

/** How many of each there may be; a registry without limits is a disk that anybody can fill. */
const LIMITS = { repositories: 10_000, tags: 10_000, manifests: 20_000 };

export class Manifests {
  readonly #repositories: string;
  readonly #blobs: Blobs;

  constructor(root: string, blobs: Blobs) {
    this.#repositories = join(root, 'repositories');
    this.#blobs = blobs;
  }

  #path(repository: string, ...rest: string[]): string {
    return join(this.#repositories, repository, ...rest);
  }

  async find(repository: string, reference: Reference): Promise<StoredManifest | undefined> {
    const digest = reference.digest ?? (await this.#tagged(repository, reference.tag));
    if (!digest) return undefined;
    const kept = await readIfThere(this.#path(repository, '_manifests', hexOf(digest)));
    const bytes = kept && (await this.#blobs.read(digest));
    if (!kept || !bytes) return undefined;
    const { mediaType } = JSON.parse(kept.toString('utf8')) as ManifestContent;
    return { digest, mediaType, bytes };
  }

  async #tagged(repository: string, tag: string): Promise<string | undefined> {
    return (await readIfThere(this.#path(repository, '_tags', tag)))?.toString('utf8');
  }

  /** @returns its digest and what it is attached to. Throws RegistryError. */
  async put(
    repository: string,
    reference: Reference,
    { bytes, contentType, nowMs }: { bytes: Buffer; contentType: string; nowMs: number },
  ): Promise<{ digest: string; subject?: string }> {
    const content = manifestContent(bytes, contentType);
    await this.#refuseUnlessWhole(repository, content, nowMs);
    await this.#refuseTooMany(repository, reference);
    const digest = digestOf(bytes, algorithmOf(reference.digest ?? ''));
    if (reference.digest !== undefined && reference.digest !== digest) {
      throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content');
    }
    await this.#blobs.write(repository, { digest, bytes }, nowMs);
    await writeWhole(this.#path(repository, '_manifests', hexOf(digest)), JSON.stringify(content));
    if (content.subject) await this.#refer(repository, content.subject, { digest, size: bytes.length, content });
    if (reference.tag !== undefined) await writeWhole(this.#path(repository, '_tags', reference.tag), digest);
    return { digest, ...(content.subject && { subject: content.subject }) };
  }

  /** What is there stays until the manifest is: what is old is looked for by who removes it, perhaps now. */
  async #refuseUnlessWhole(repository: string, { blobs, manifests }: ManifestContent, nowMs: number): Promise<void> {
    for (const digest of blobs) {
      await this.#blobs.keep(digest, nowMs);
      if (await this.#blobs.find(repository, digest)) continue;
      throw new RegistryError('MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } });
    }
    // An index may list what is not here: platforms that nobody copied.
    if (manifests.length > LIMITS.manifests) throw new RegistryError('MANIFEST_INVALID', 'too many manifests');
  }

  async #refuseTooMany(repository: string, { tag }: Reference): Promise<void> {
    const [tags, manifests] = await Promise.all([
      namesIn(this.#path(repository, '_tags')),
      namesIn(this.#path(repository, '_manifests')),
    ]);
    const isNewTag = tag !== undefined && !tags.includes(tag);
    if ((isNewTag && tags.length >= LIMITS.tags) || manifests.length >= LIMITS.manifests) {
      throw new RegistryError('DENIED', 'the repository is full: delete manifests of it first');
    }
    if (manifests.length === 0 && (await this.repositories()).length >= LIMITS.repositories) {
      throw new RegistryError('DENIED', 'the registry has as many repositories as it can');
    }
  }

  async #refer(
    repository: string,
    subject: string,
    { digest, size, content }: { digest: string; size: number; content: ManifestContent },
  ): Promise<void> {
    const { mediaType, artifactType, annotations } = content;
    const descriptor: Descriptor = {
      mediaType,
      digest,
      size,
      ...(artifactType && { artifactType }),
      ...(annotations && { annotations }),
    };
    await writeWhole(this.#path(repository, '_referrers', hexOf(subject), hexOf(digest)), JSON.stringify(descriptor));
  }

  /** By tag only the tag goes; by digest the manifest, and every tag of it. @returns whether there was one */
  async remove(repository: string, reference: Reference): Promise<boolean> {
    if (reference.tag !== undefined) {
      const was = await this.#tagged(repository, reference.tag);
      if (was) await rm(this.#path(repository, '_tags', reference.tag), { force: true });
      return was !== undefined;
    }
    const { digest } = reference;
    const path = this.#path(repository, '_manifests', hexOf(digest));
    const kept = await readIfThere(path);
    if (!kept) return false;
    for (const tag of await namesIn(this.#path(repository, '_tags'))) {
      if ((await this.#tagged(repository, tag)) === digest)
        await rm(this.#path(repository, '_tags', tag), { force: true });
    }
    const { subject } = JSON.parse(kept.toString('utf8')) as ManifestContent;
    if (subject) await rm(this.#path(repository, '_referrers', hexOf(subject), hexOf(digest)), { force: true });
    await rm(path, { force: true });
    await this.#blobs.unlink(repository, digest);
    return true;
  }

  /** In the order of the specification: lexical. undefined: there is no such repository. */
  async tags(repository: string): Promise<string[] | undefined> {
    const tags = (await namesIn(this.#path(repository, '_tags'))).filter((name) => !name.startsWith('.'));
    if (tags.length === 0 && (await namesIn(this.#path(repository, '_manifests'))).length === 0) return undefined;
    return tags.sort((a, b) => (a < b ? -1 : 1));
  }

  async referrers(repository: string, subject: string): Promise<Descriptor[]> {
    const folder = this.#path(repository, '_referrers', hexOf(subject));
    const names = (await namesIn(folder)).filter((name) => !name.startsWith('.')).sort();
    const texts = await Promise.all(names.map((name) => readIfThere(join(folder, name))));
    return texts.flatMap((text) => (text ? [JSON.parse(text.toString('utf8')) as Descriptor] : []));
  }

  /** Names of all repositories that hold a manifest, sorted. */
  async repositories(): Promise<string[]> {
    const found: string[] = [];
    const look = async (name: string): Promise<void> => {
      const entries = (await readdir(this.#path(name), { withFileTypes: true }).catch(absent)) ?? [];
      if (entries.some((entry) => entry.name === '_manifests')) found.push(name);
      for (const entry of entries) {
        if (entry.isDirectory() && !/^[._]/.test(entry.name)) await look(name ? `${name}/${entry.name}` : entry.name);
      }
    };
    await look('');
    return found.sort((a, b) => (a < b ? -1 : 1));
  }

  /** Every repository that has anything, also one whose first manifest is still to come. */
  async all(repository: string): Promise<{ digest: string; content: ManifestContent }[]> {
    const names = (await namesIn(this.#path(repository, '_manifests'))).filter((name) => !name.startsWith('.'));
    const texts = await Promise.all(names.map((hex) => readIfThere(this.#path(repository, '_manifests', hex))));
    return names.flatMap((hex, index) => {
      const text = texts[index];
      return text
        ? [{ digest: digestWithHex(hex), content: JSON.parse(text.toString('utf8')) as ManifestContent }]
        : [];
    });
  }
}
