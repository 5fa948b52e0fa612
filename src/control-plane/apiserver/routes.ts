/** Which handler answers: a kind's own where it has one, else the common verb. */
import type { Kind } from '#api/machinery/kind.ts';
import type { Behaviours, Handler } from './registry/behaviour.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import { create } from './verbs/create.ts';
import { remove } from './verbs/delete.ts';
import { removeCollection } from './verbs/delete-collection.ts';
import { get } from './verbs/get.ts';
import { list } from './verbs/list.ts';
import { patch } from './verbs/patch.ts';
import { getScale, patchScale, updateScale } from './verbs/scale.ts';
import { update } from './verbs/update.ts';

const COMMON: Readonly<Record<string, Handler>> = {
  create,
  get,
  list,
  update,
  patch,
  delete: remove,
  deletecollection: removeCollection,
};
const SCALE: Readonly<Record<string, Handler>> = { get: getScale, update: updateScale, patch: patchScale };

const OF_COLLECTION = ['create', 'list', 'deletecollection'] as const;
const OF_OBJECT = ['get', 'update', 'patch', 'delete'] as const;

/** Whether there is anything at the path; what may be done there is the handler's. */
export function isServed(kind: Kind, info: ResourceRequestInfo): boolean {
  if (info.rest && info.subresource !== 'proxy') return false;
  const isInside = kind.scope === 'Cluster' || info.namespace !== '';
  if (info.subresource) return isInside && kind.subresources.some(({ name }) => name === info.subresource);
  if (info.namedByPath) return isInside && OF_OBJECT.some((verb) => kind.verbs.includes(verb));
  return isInside ? OF_COLLECTION.some((verb) => kind.verbs.includes(verb)) : kind.verbs.includes('list');
}

/** undefined: the resource does not do that. */
export function handlerOf(kind: Kind, info: ResourceRequestInfo, behaviours: Behaviours): Handler | undefined {
  if (info.method === 'HEAD' && info.subresource !== 'proxy') return undefined;
  return info.subresource ? subresourceHandler(kind, info, behaviours) : mainHandler(kind, info, behaviours);
}

function mainHandler(kind: Kind, { verb, namespace, namedByPath }: ResourceRequestInfo, behaviours: Behaviours) {
  if (!verb || !(kind.verbs as readonly string[]).includes(verb)) return undefined;
  if (kind.scope === 'Namespaced' && !namespace && verb !== 'list') return undefined;
  if (namedByPath ? verb === 'create' : verb === 'update' || verb === 'patch') return undefined;
  const own = behaviours.of(kind)?.verbs as Readonly<Record<string, Handler>> | undefined;
  return own?.[verb] ?? (kind.virtual ? undefined : COMMON[verb]);
}

function subresourceHandler(kind: Kind, { verb, subresource, namespace }: ResourceRequestInfo, behaviours: Behaviours) {
  const declared = kind.subresources.find(({ name }) => name === subresource);
  if (!declared || (kind.scope === 'Namespaced' && !namespace)) return undefined;
  const own = behaviours.of(kind)?.subresources?.[subresource];
  if (own) return own[verb] ?? own['*'];
  if (!(declared.verbs as readonly string[]).includes(verb)) return undefined;
  if (subresource === 'scale' && kind.scale) return SCALE[verb];
  return declared.serves ? undefined : COMMON[verb];
}
