/** A cluster with a namespace full of objects, which our own client and stock kubectl are asked about. */
import { FILES } from './own-client-files.ts';
import { join } from 'node:path';
import { type Scene, sceneWith } from './own-client-scene.ts';
import { masked, type Printed, printedByBoth } from './parity.ts';

/** In `shop`, and rolled out. */
export const shopWith = (prepare: (scene: Scene) => unknown = () => undefined): Scene =>
  sceneWith({ ...FILES, 'dots.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: ..}}' }, async (scene) => {
    const { server, folder } = scene;
    await server.kubectl(['create', 'namespace', 'shop']);
    for (const name of Object.keys(FILES)) await server.kubectl(['apply', '-n', 'shop', '-f', join(folder, name)]);
    await server.kubectl(['rollout', 'status', 'deployment/web', '-n', 'shop', '--timeout=120s']);
    await server.kubectl(['rollout', 'status', 'daemonset/agent', '-n', 'shop', '--timeout=120s']);
    await prepare(scene);
  });

export const asText = ({ code, stdout, stderr }: Printed): string => masked(`${stdout}\n--- ${code}\n${stderr}`);

/** What stock kubectl prints, and what our own client does. */
export const both = (
  { server, folder }: Scene,
  args: readonly string[],
  textOf = asText,
): Promise<[stock: Printed, own: Printed]> => printedByBoth({ kubeconfig: server.kubeconfig, args, folder }, textOf);
