/** Where our own client is watched beside stock kubectl: one cluster, and a folder with files, for the tests of one file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import { startLiveCluster } from './live-cluster.ts';

/** Both are there as soon as the tests run. */
export interface Scene {
  readonly server: HttpsApiServer;
  readonly folder: string;
}

const BEGIN_MS = 300_000;

/** Begun before all tests of the file; `prepare` does what else there is to do. */
export function sceneWith(
  files: Readonly<Record<string, string | Buffer>>,
  prepare: (scene: Scene) => unknown = () => undefined,
): Scene {
  let server: HttpsApiServer | undefined;
  let folder = '';
  const scene: Scene = {
    get server() {
      return server!;
    },
    get folder() {
      return folder;
    },
  };
  beforeAll(async () => {
    server = await startLiveCluster();
    folder = mkdtempSync(join(tmpdir(), 'own-client-'));
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    await prepare(scene);
  }, BEGIN_MS);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });
  return scene;
}
