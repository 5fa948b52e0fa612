/** `kedge edit`: objects in the editor of the user's choice; what was changed there is sent as a patch. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { mergePatchBetween } from '#api/machinery/three-way-merge.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { fileFlags } from './manifests.ts';
import { OUTPUT_FLAGS, resourceNameOf, resultPrinter, withoutManagedFields } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { SELECTOR_FLAGS, type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall, VerbIo } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { fieldManagerFlag, VALIDATE_FLAG, writeQuery } from './writing.ts';

const HEADER = `# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
`;

export const editVerb: Verb = {
  name: 'edit',
  summary: 'change an object in an editor',
  usage: '(TYPE NAME | -f FILENAME)',
  flags: [
    ...fileFlags('to edit'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-edit'),
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
  ],
  async run(call) {
    const { flags } = call;
    const subresource = flags.string('subresource');
    const { targets, errors } = await targetsOf(call, { latest: true, wholeTypes: true, subresource });
    throwIfAny(errors);
    if (targets.length === 0) throw new VerbError('edit cancelled, no objects found');
    for (const target of targets) await edited(call, target);
  },
};

/** As long as the server does not take it, and the user goes on changing it. */
async function edited(call: VerbCall, target: Target): Promise<void> {
  const { flags, io } = call;
  const original = (
    flags.bool('show-managed-fields') ? target.object : withoutManagedFields(target.object)
  ) as KubeObject;
  const start = HEADER + formatYaml(original);
  let text = start;
  for (;;) {
    const before = text;
    const after = await inEditor(io, before, `${target.name}.yaml`);
    if (contentOf(after) === '') throw new VerbError('Edit cancelled, saved file was empty.', { isBare: true });
    if (contentOf(after) === contentOf(start)) return io.err('Edit cancelled, no changes made.\n');
    if (before !== start && contentOf(after) === contentOf(before))
      throw new VerbError('Edit cancelled, no valid changes were saved.');
    const problem = await save(call, { target, original, text: after });
    if (problem === undefined) return undefined;
    io.err(`error: ${problem}\n`);
    const told = `# ${resourceNameOf(original)} was not valid:\n${problem
      .split('\n')
      .map((line) => `# * ${line}\n`)
      .join('')}#\n`;
    text = HEADER + told + contentOf(after);
  }
}

/** Without comments. */
export const contentOf = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .trimStart();

/** What is wrong; undefined when it was taken. */
async function save(
  { flags, cluster, io }: VerbCall,
  { target, original, text }: { target: Target; original: KubeObject; text: string },
): Promise<string | undefined> {
  const parsed = parseYaml(contentOf(text));
  if ('problem' in parsed) return parsed.problem;
  const wanted = parsed.value as KubeObject;
  for (const field of ['apiVersion', 'kind'] as const)
    if (wanted?.[field] !== original[field]) return `${field} may not be changed`;
  if (wanted.metadata?.name !== original.metadata.name || wanted.metadata?.namespace !== original.metadata.namespace)
    return 'the name and the namespace of an object may not be changed';
  const patch = mergePatchBetween(original as unknown as JsonObject, wanted as unknown as JsonObject);
  if (!patch) return undefined;
  // Lists go whole, so they must replace what was shown and nothing newer.
  const { resourceVersion } = wanted.metadata;
  const object = { ...patch, metadata: { ...(patch['metadata'] as object), resourceVersion } };
  const query = writeQuery(flags, { dryRun: 'none', hasValidation: true });
  const path = pathOf(target.resource, { ...target, subresource: flags.string('subresource'), query });
  try {
    const reply = await cluster.request({ method: 'PATCH', path, object, contentType: 'application/merge-patch+json' });
    io.out(resultPrinter(flags, io)(reply.object, 'edited'));
    return undefined;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return error.message;
  }
}

/** What the user made of `text`, in a file of this `name`. Throws VerbError when the editor fails. */
export async function inEditor({ env, folder }: VerbIo, text: string, name: string): Promise<string> {
  const own = mkdtempSync(join(tmpdir(), 'kedge-edit-'));
  const file = join(own, name.replace(/[^\w.-]/g, '_'));
  writeFileSync(file, text, { mode: 0o600 });
  const [program = 'vi', ...args] = (env['KUBE_EDITOR'] || env['EDITOR'] || 'vi').split(/\s+/).filter(Boolean);
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(program, [...args, file], { stdio: 'inherit', cwd: folder });
      child.once('error', (error) =>
        reject(new VerbError(`unable to launch the editor ${JSON.stringify(program)}: ${error.message}`)),
      );
      child.once('exit', (code) =>
        code === 0
          ? resolve()
          : reject(new VerbError(`there was a problem with the editor ${JSON.stringify(program)}`)),
      );
    });
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
