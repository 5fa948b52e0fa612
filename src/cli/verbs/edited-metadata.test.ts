import { PassThrough } from 'node:stream';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import { annotateVerb, labelVerb } from './edited-metadata.ts';
import { runVerb } from './run-verb.ts';

const folder = mkdtempSync(join(tmpdir(), 'edited-metadata-'));
writeFileSync(
  join(folder, 'cm.yaml'),
  '{apiVersion: v1, kind: ConfigMap, metadata: {name: x, labels: {k: v}, annotations: {k: v}}}',
);
afterAll(() => rmSync(folder, { recursive: true }));

async function told(line: string): Promise<string> {
  let text = '';
  const tell = (part: string | Uint8Array) => {
    text += part;
  };
  const [name, ...args] = line.split(' ');
  await runVerb(name === 'label' ? labelVerb : annotateVerb, args, {
    ...{ out: tell, err: tell, folder, clock: systemClock, stdin: new PassThrough(), env: {} },
    readAll: async () => '',
    signal: new AbortController().signal,
  });
  return text.trimEnd();
}

const LOCAL_ONLY = (file: string) =>
  `error: can only use local files by -f ${file}.yaml or --filename=${file}.json when --local=true is set`;
const BAD_VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** As kubectl 1.36 tells them. */
test.each([
  ['label --local -f cm.yaml a=', 'configmap/x labeled'],
  ['label --local -f cm.yaml !a=b', 'configmap/x labeled'],
  ['label --local -f cm.yaml !a=-b-', `error: invalid label value: "!a=-b-": ${BAD_VALUE}`],
  ['label --local -f cm.yaml a=b=c', 'error: invalid label spec: a=b=c'],
  ['label --local -f cm.yaml a=b =c', 'error: all resources must be specified before label changes: =c'],
  ['annotate --local -f cm.yaml a=b -', 'error: all resources must be specified before annotation changes: -'],
  ['label --local -f cm.yaml =c=d', LOCAL_ONLY('pod')],
  ['annotate --local -f cm.yaml -', LOCAL_ONLY('rsrc')],
  ['label --local', 'error: one or more files must be specified as -f pod.yaml or --filename=pod.json'],
  ['annotate --local', 'error: one or more files must be specified as -f rsrc.yaml or --filename=rsrc.json'],
  ['label --local -f cm.yaml --list', 'k=v'],
  ['annotate --local -f cm.yaml --list -o name', 'k=v'],
  ['label --local -f cm.yaml --list -o name', 'error: --list and --output may not be specified together'],
  ['label --all -l a=b', 'error: cannot set --all and --selector at the same time'],
  ['annotate x --all', 'error: at least one annotation update is required'],
  ['label --dry-run=nope', 'error: Invalid dry-run value (nope). Must be "none", "server", or "client".'],
  ['label --local -f cm.yaml a=b --dry-run=true', 'configmap/x labeled (dry run)'],
  ['label --local -f cm.yaml a=b --dry-run=0', 'configmap/x labeled'],
])('%s: %s', async (line, text) => expect(await told(line)).toBe(text));
