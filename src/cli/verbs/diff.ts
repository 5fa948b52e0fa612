/** `kedge diff`: what `apply` would change, as the server would have it. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unifiedDiff } from '#api/machinery/unified-diff.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { dryApplied } from './apply.ts';
import { textOf } from './error-text.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { withoutManagedFields } from './output/output-flags.ts';
import { SELECTOR_FLAGS, targetsOf } from './targets.ts';
import type { Verb, VerbCall, VerbIo } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';
import { fieldManagerFlag } from './writing.ts';

const MASK = '***';

export const diffVerb: Verb = {
  name: 'diff',
  summary: 'tell what apply would change',
  usage: '-f FILENAME',
  flags: [
    ...fileFlags('to compare'),
    ...SELECTOR_FLAGS,
    fieldManagerFlag('kubectl-client-side-apply'),
    { name: 'server-side', type: 'bool', summary: 'as apply --server-side would' },
    { name: 'force-conflicts', type: 'bool', summary: 'with --server-side: take over fields that others own' },
    { name: 'show-managed-fields', type: 'bool', summary: 'compare managedFields too' },
    { name: 'show-secrets', type: 'bool', summary: 'values of Secrets as they are' },
    { name: 'concurrency', type: 'int', default: '1', summary: 'has no meaning here: one object after the other' },
  ],
  async run(call) {
    try {
      return await diff(call);
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      // 1 would say that there are differences.
      throw new VerbError(textOf(error, call.cluster.server).replace(/\n$/, ''), { exitCode: 2, isBare: true });
    }
  },
};

async function diff(call: VerbCall): Promise<number> {
  const { flags, args, io, path } = call;
  if (args.length > 0) throw unexpected(`Unexpected args: [${args.join(' ')}]`, path);
  if (flags.list('filename').length === 0 && !flags.has('kustomize'))
    throw new VerbError('must specify one of -f and -k');
  const { targets, errors } = await targetsOf(call);
  if (errors.length > 0) throw errors[0];
  const folder = mkdtempSync(join(tmpdir(), 'kedge-diff-'));
  try {
    const [live, merged] = [join(folder, 'LIVE'), join(folder, 'MERGED')];
    for (const each of [live, merged]) mkdirSync(each, { mode: 0o700 });
    const texts: [string, string, string][] = [];
    for (const target of targets) {
      const { current, next } = await dryApplied(call, target);
      const { group, version, kind } = target.resource;
      const file = [group, version, kind, target.namespace ?? '', target.name]
        .filter((part, i) => i !== 0 || part)
        .join('.');
      const [was, is] = shownOf(call, { current, next });
      for (const [where, text] of [
        [live, was],
        [merged, is],
      ] as const)
        if (text !== undefined) writeFileSync(join(where, file), text, { mode: 0o600 });
      texts.push([file, was ?? '', is ?? '']);
    }
    const code = await compared(io, { live, merged, texts });
    if (code > 1) throw new VerbError(`exit status ${code}`, { exitCode: code });
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Shown = [string | undefined, string | undefined];

function shownOf({ flags }: VerbCall, { current, next }: Awaited<ReturnType<typeof dryApplied>>): Shown {
  const keep = flags.bool('show-managed-fields');
  const isSecret = next.kind === 'Secret' && next.apiVersion === 'v1' && !flags.bool('show-secrets');
  const [was, is] = isSecret ? masked(current, next) : [current, next];
  const text = (object: ManifestObject | undefined) =>
    object && formatYaml(keep ? object : withoutManagedFields(object));
  return [text(was), text(is)];
}

/** That a value differs may be seen, not what it is. */
function masked(
  current: ManifestObject | undefined,
  next: ManifestObject,
): [ManifestObject | undefined, ManifestObject] {
  const dataOf = (object: ManifestObject | undefined) =>
    ({ ...((object as { data?: object } | undefined)?.data ?? {}) }) as Record<string, string>;
  const [was, is] = [dataOf(current), dataOf(next)];
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const differs = key in was && key in is && was[key] !== is[key];
    if (key in was) was[key] = differs ? `${MASK} (before)` : MASK;
    if (key in is) is[key] = differs ? `${MASK} (after)` : MASK;
  }
  const withData = <T extends ManifestObject | undefined>(object: T, data: object): T =>
    object && 'data' in object ? { ...object, data } : object;
  return [withData(current, was), withData(next, is)];
}

interface Compared {
  live: string;
  merged: string;
  texts: readonly [file: string, was: string, is: string][];
}

/** By the machine's `diff`, or by what KUBECTL_EXTERNAL_DIFF names; where there is none, by ourselves. */
function compared(io: VerbIo, { live, merged, texts }: Compared): Promise<number> {
  const named = io.env['KUBECTL_EXTERNAL_DIFF']?.split(/\s+/).filter((word) => /^[\w./-]+$/.test(word)) ?? [];
  const [program = 'diff', ...args] = named.length > 0 ? named : ['diff', '-u', '-N'];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, live, merged], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => io.out(chunk));
    child.stderr.on('data', (chunk: Buffer) => io.err(chunk));
    child.once('close', (code) => resolve(code ?? 2));
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || named.length > 0)
        return reject(new VerbError(`failed to run ${JSON.stringify(program)}: ${error.message}`));
      const told = texts.filter(([, was, is]) => was !== is);
      for (const [file, was, is] of told)
        io.out(`--- ${join(live, file)}\n+++ ${join(merged, file)}\n${unifiedDiff(was, is)}`);
      resolve(told.length > 0 ? 1 : 0);
    });
  });
}
