import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  buildFolder,
  commandsOfKilledBuilds,
  forgetCommand,
  rememberCommand,
  removeCommandFiles,
} from './killed-builds.ts';

let runDir: string;
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'killed-builds-'));
});
afterEach(() => rmSync(runDir, { recursive: true }));

const begun = () => ({ id: `build-${randomUUID()}`, image: 'kedge.local/build:1' });
const at = (...names: string[]) => join(buildFolder({ runDir }), ...names);
/** As its build has written it, which has ended since. */
function killed() {
  const command = begun();
  const owner = { pid: process.pid, startTicks: 1, bootId: 'of an earlier boot' };
  writeFileSync(at(`${command.id}.json`), JSON.stringify({ ...command, owner }));
  return command;
}

test('a command is a killed build’s when its record is there and the build is not', async () => {
  expect(await commandsOfKilledBuilds({ runDir })).toEqual([]); // nothing was ever built
  const [going, done] = [begun(), begun()];
  for (const command of [going, done]) await rememberCommand({ runDir }, command);
  await forgetCommand({ runDir }, done.id);
  const left = killed();
  writeFileSync(at('base-of-a-pull.lock'), '{}');
  expect(await commandsOfKilledBuilds({ runDir })).toEqual([left]);
});

test('its pipes, secrets and record go; those of other commands stay', async () => {
  const going = begun();
  await rememberCommand({ runDir }, going);
  const left = killed();
  for (const [index, { id }] of [going, left].entries()) {
    mkdirSync(at(`secret-1-2-${id}-0`));
    mkdirSync(at(`${index}`));
    writeFileSync(at(`${index}`, `${id}-stdout`), '');
  }
  await removeCommandFiles({ runDir }, left.id);
  expect(readdirSync(at()).sort()).toEqual(['0', `${going.id}.json`, `secret-1-2-${going.id}-0`]);
});
