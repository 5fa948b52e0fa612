/** What a measure is, and what it is given: a voice, folders of its own, and the promise that what it starts is ended. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Row } from './row.ts';

export interface Measure {
  name: string;
  /** What it measures is mostly the engine's work: it is taken with the newest LTS, too, whose engine is another. */
  alsoOnNewerNode?: boolean;
  run(bench: Bench): Promise<Row[]>;
}

export class Bench {
  readonly #ends: (() => unknown)[] = [];
  readonly #name: string;
  /** The Node.js that what is measured runs with. */
  readonly node: string;

  constructor(name: string, { node = process.execPath } = {}) {
    this.#name = name;
    this.node = node;
  }

  /** Progress, for the person who waits; the figures alone go to stdout. */
  say(text: string): void {
    process.stderr.write(`${this.#name}: ${text}\n`);
  }

  /** Runs when the measure is over, however it ends; the last given first. */
  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'kedge-bench-'));
    this.atEnd(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  async end(): Promise<void> {
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        this.say(`cleaning up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}
