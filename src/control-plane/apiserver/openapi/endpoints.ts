/**
 * Every path of a kind with its operations, in a form that both versions of OpenAPI are written from. Names of operations,
 * actions and parameters are upstream's: kubectl finds out by them what the server can do.
 */
import type { Facts } from '#api/machinery/facts.ts';
import { apiRootOf, apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { customDefinitionName, definitionName, PATCH } from './definition-name.ts';
import { article, capital, tagOf, titleOf } from './operation-name.ts';
import { connectParameters, type Parameter, parametersOf } from './parameters.ts';

export type Method = 'get' | 'put' | 'post' | 'delete' | 'patch';

export interface Operation {
  method: Method;
  operationId: string;
  tag: string;
  description: string;
  /** `x-kubernetes-action`. */
  action: string;
  /** `x-kubernetes-group-version-kind`. */
  groupVersionKind: { group: string; version: string; kind: string };
  query: readonly Parameter[];
  /** Definition names. */
  body?: { definition: string; required: boolean; mediaTypes: readonly string[] };
  /** undefined: text. */
  answer: string | undefined;
  answerCodes: readonly number[];
  isWatchable: boolean;
  /** Custom kinds have no protobuf. */
  isBuiltIn: boolean;
}

export interface Endpoint {
  path: string;
  pathParameters: readonly ('name' | 'namespace' | 'path')[];
  operations: readonly Operation[];
}

const JSON_PATCHES = ['application/json-patch+json', 'application/merge-patch+json'];
const APPLY = 'application/apply-patch+yaml';
const STRATEGIC = 'application/strategic-merge-patch+json';

export function endpointsOf(kind: Kind, facts: Facts): Endpoint[] {
  const root = apiRootOf(kind);
  const isNamespaced = kind.scope === 'Namespaced';
  const collection = isNamespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const inNamespace: Endpoint['pathParameters'] = isNamespaced ? ['namespace'] : [];
  const all: Endpoint[] = [
    { path: collection, pathParameters: inNamespace, operations: collectionOperations(kind) },
    { path: `${collection}/{name}`, pathParameters: ['name', ...inNamespace], operations: itemOperations(kind) },
    ...kind.subresources.flatMap((subresource): Endpoint[] => {
      const path = `${collection}/{name}/${subresource.name}`;
      const operations = subresourceOperations(kind, subresource, facts);
      const pathParameters: Endpoint['pathParameters'] = ['name', ...inNamespace];
      if (subresource.name !== 'proxy') return [{ path, pathParameters, operations }];
      const withPath = operations.map((operation) => ({
        ...operation,
        operationId: `${operation.operationId}WithPath`,
      }));
      return [
        { path, pathParameters, operations },
        { path: `${path}/{path}`, pathParameters: [...pathParameters, 'path'], operations: withPath },
      ];
    }),
  ];
  if (isNamespaced && kind.verbs.includes('list')) {
    const operations = [listOperation(kind, `list${titleOf(kind)}${kind.kind}ForAllNamespaces`)];
    all.push({ path: `${root}/${kind.plural}`, pathParameters: [], operations });
  }
  return all.filter(({ operations }) => operations.length > 0);
}

export function definitionOf(
  type: { group: string; version: string; kind: string },
  facts: Facts,
  ofList = false,
): string {
  const known = facts.typeOfKind(type.group, type.version, type.kind);
  if (!known) return customDefinitionName(type) + (ofList ? 'List' : '');
  return definitionName(known.name) + (ofList ? 'List' : '');
}

const scopeWord = (kind: Kind): string => (kind.scope === 'Namespaced' ? 'Namespaced' : '');
const gvkOf = ({ group, version, kind }: { group: string; version: string; kind: string }) => ({
  group,
  version,
  kind,
});

type Draft = Pick<Operation, 'method' | 'operationId' | 'action' | 'description' | 'query' | 'answerCodes'> &
  Partial<Operation>;

function operation(kind: Kind, draft: Draft): Operation {
  return {
    tag: tagOf(kind),
    groupVersionKind: gvkOf(kind),
    answer: mainDefinition(kind),
    isWatchable: false,
    isBuiltIn: kind.facts !== undefined,
    ...draft,
  };
}

const mainDefinition = (kind: Kind): string =>
  kind.facts ? definitionName(kind.facts.name) : customDefinitionName(kind);
export const listDefinition = (kind: Kind): string =>
  kind.facts ? `${definitionName(kind.facts.name)}List` : customDefinitionName({ ...kind, kind: kind.listKind });

const bodyOf = (definition: string, required = true) => ({ definition, required, mediaTypes: ['*/*'] });
const DELETE_OPTIONS = definitionName('meta.v1.DeleteOptions');
const STATUS = definitionName('meta.v1.Status');

function listOperation(kind: Kind, operationId: string): Operation {
  return operation(kind, {
    method: 'get',
    operationId,
    action: 'list',
    description: `list or watch objects of kind ${kind.kind}`,
    query: parametersOf('list'),
    answer: listDefinition(kind),
    answerCodes: [200],
    isWatchable: true,
  });
}

function collectionOperations(kind: Kind): Operation[] {
  const name = `${titleOf(kind)}${scopeWord(kind)}${kind.kind}`;
  const found: Operation[] = [];
  if (kind.verbs.includes('list')) found.push(listOperation(kind, `list${name}`));
  if (kind.verbs.includes('create'))
    found.push(
      operation(kind, {
        method: 'post',
        operationId: `create${name}`,
        action: 'post',
        description: `create ${article(kind.kind)}`,
        query: parametersOf('create'),
        body: bodyOf(mainDefinition(kind)),
        answerCodes: [200, 201, 202],
      }),
    );
  if (kind.verbs.includes('deletecollection'))
    found.push(
      operation(kind, {
        method: 'delete',
        operationId: `delete${titleOf(kind)}Collection${scopeWord(kind)}${kind.kind}`,
        action: 'deletecollection',
        description: `delete collection of ${kind.kind}`,
        query: parametersOf('deletecollection'),
        body: bodyOf(DELETE_OPTIONS, false),
        answer: STATUS,
        answerCodes: [200],
      }),
    );
  return found;
}

function itemOperations(kind: Kind): Operation[] {
  const name = `${titleOf(kind)}${scopeWord(kind)}${kind.kind}`;
  const found = readAndWrite(kind, {
    verbs: kind.verbs,
    name,
    of: `the specified ${kind.kind}`,
    definition: mainDefinition(kind),
  });
  if (kind.verbs.includes('delete'))
    found.push(
      operation(kind, {
        method: 'delete',
        operationId: `delete${name}`,
        action: 'delete',
        description: `delete ${article(kind.kind)}`,
        query: parametersOf('delete'),
        body: bodyOf(DELETE_OPTIONS, false),
        answer: STATUS,
        answerCodes: [200, 202],
      }),
    );
  return found;
}

interface Target {
  verbs: readonly string[];
  /** The operation's name behind the verb. */
  name: string;
  /** What descriptions call it. */
  of: string;
  definition: string;
  served?: { group: string; version: string; kind: string };
}

function readAndWrite(kind: Kind, { verbs, name, of, definition, served }: Target): Operation[] {
  const common = { answer: definition, groupVersionKind: gvkOf(served ?? kind) };
  const found: Operation[] = [];
  if (verbs.includes('get'))
    found.push(
      operation(kind, {
        ...common,
        method: 'get',
        operationId: `read${name}`,
        action: 'get',
        description: `read ${of}`,
        query: parametersOf('get'),
        answerCodes: [200],
      }),
    );
  if (verbs.includes('update'))
    found.push(
      operation(kind, {
        ...common,
        method: 'put',
        operationId: `replace${name}`,
        action: 'put',
        description: `replace ${of}`,
        query: parametersOf('update'),
        body: bodyOf(definition),
        answerCodes: [200, 201],
      }),
    );
  if (verbs.includes('patch'))
    found.push(
      operation(kind, {
        ...common,
        method: 'patch',
        operationId: `patch${name}`,
        action: 'patch',
        description: `partially update ${of}`,
        query: parametersOf('patch'),
        body: {
          definition: PATCH,
          required: true,
          mediaTypes: [APPLY, ...JSON_PATCHES, ...(kind.facts ? [STRATEGIC] : [])],
        },
        answerCodes: [200, 201],
      }),
    );
  return found;
}

type Subresource = Kind['subresources'][number];

function subresourceOperations(kind: Kind, subresource: Subresource, facts: Facts): Operation[] {
  const { name, serves, verbs } = subresource;
  const suffix = `${scopeWord(kind)}${kind.kind}${capital(name)}`;
  if (serves?.kind.endsWith('Options')) return connectOperations(kind, subresource, { suffix, facts });
  if (name === 'log') return [logOperation(kind, `read${titleOf(kind)}${suffix}`, facts)];
  const definition = definitionOf(serves ?? kind, facts);
  const title = titleOf(kind);
  const found = readAndWrite(kind, {
    verbs,
    name: `${title}${suffix}`,
    of: `${name} of the specified ${kind.kind}`,
    definition,
    ...(serves && { served: serves }),
  });
  if (verbs.includes('create'))
    found.push(
      operation(kind, {
        method: 'post',
        operationId: `create${title}${suffix}`,
        action: 'post',
        description: `create ${name} of ${article(kind.kind)}`,
        query: parametersOf('create'),
        body: bodyOf(definition),
        answer: definition,
        answerCodes: [200, 201, 202],
        groupVersionKind: gvkOf(serves ?? kind),
      }),
    );
  return found;
}

const METHOD_OF_VERB: Readonly<Record<string, Method>> = {
  create: 'post',
  delete: 'delete',
  get: 'get',
  patch: 'patch',
  update: 'put',
};

function connectOperations(
  kind: Kind,
  { name, serves, verbs }: Subresource,
  { suffix, facts }: { suffix: string; facts: Facts },
): Operation[] {
  const options = facts.typeOfKind(serves!.group, serves!.version, serves!.kind);
  return verbs.map((verb) => {
    const method = METHOD_OF_VERB[verb]!;
    return operation(kind, {
      method,
      operationId: `connect${titleOf(kind)}${capital(method)}${suffix}`,
      action: 'connect',
      description: `connect ${method.toUpperCase()} requests to ${name} of ${kind.kind}`,
      query: connectParameters(options),
      answer: undefined,
      answerCodes: [200],
      groupVersionKind: gvkOf(serves!),
    });
  });
}

function logOperation(kind: Kind, operationId: string, facts: Facts): Operation {
  return operation(kind, {
    method: 'get',
    operationId,
    action: 'get',
    description: `read log of the specified ${kind.kind}`,
    query: connectParameters(facts.typeOfKind(kind.group, kind.version, 'PodLogOptions')),
    answer: undefined,
    answerCodes: [200],
  });
}

/** `api/v1`, `apis/apps/v1`: how the index of version 3 names a document. */
export const documentPathOf = (kind: { group: string; version: string }): string =>
  `${kind.group ? 'apis' : 'api'}/${apiVersionOf(kind)}`;
