/** What Kubernetes v1.36 adds to the language, in every kind of expression. Source: k8s.io/apiserver, pkg/cel/environment. */
import type { Library } from '../library.ts';
import { authorization } from './authorization.ts';
import { listExtension } from './list-extension.ts';
import { listFunctions } from './list-functions.ts';
import { namedFormats } from './named-formats.ts';
import { cidrs, ips } from './networks.ts';
import { optionals } from './optionals.ts';
import { quantities } from './quantities.ts';
import { regex } from './regex.ts';
import { semvers } from './semvers.ts';
import { sets } from './sets.ts';
import { strings } from './strings.ts';
import { twoVariableLoops } from './two-variables.ts';
import { urls } from './urls.ts';

export { jsonPatch } from './json-patch.ts';

export const kubernetesLibraries: readonly Library[] = [
  optionals,
  urls,
  regex,
  listFunctions,
  authorization,
  quantities,
  strings,
  sets,
  cidrs,
  ips,
  namedFormats,
  twoVariableLoops,
  semvers,
  listExtension,
];
