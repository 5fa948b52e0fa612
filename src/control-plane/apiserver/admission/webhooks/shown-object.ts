/** Objects as a webhook sees them (in the version that it asked for, a Scale where it matched one) and back. */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { type BodyType, shapedTypeOf } from '../../decode-object.ts';
import { SCALE, type Scale, scaleOf, withReplicas } from '../../scale-object.ts';
import type { AdmissionRequest } from '../define-admission.ts';

/** `object` is of the request's own kind; the bodies of other subresources are shown as they are. */
export async function shownAs(
  object: KubeObject,
  { kind, subresource }: AdmissionRequest,
  as: Kind,
): Promise<KubeObject> {
  if (!isOf(kind, object)) return object;
  if (subresource === 'scale' && kind.scale) return scaleOf(kind, object);
  return converted(object, kind, as);
}

/** The inverse: `shown` is what a webhook made of what it was shown. */
export async function unshown(
  shown: KubeObject,
  { kind, subresource, object }: AdmissionRequest,
  as: Kind,
): Promise<KubeObject> {
  if (object && subresource === 'scale' && isOf(kind, object))
    return withReplicas(kind, object, (shown as Scale).spec?.replicas ?? 0);
  return isOf(as, shown) ? converted(shown, as, kind) : shown;
}

/** What the object is; a request without one is about its kind. */
export function typeOf(shown: KubeObject | undefined, kind: Kind): BodyType {
  const { apiVersion, kind: name } = (shown ?? {}) as { apiVersion?: string; kind?: string };
  if (!apiVersion || !name) return { group: kind.group, version: kind.version, kind: kind.kind };
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return { group, version, kind: name };
}

/** With the shape that a change of it must keep. */
export const shapeOf = (shown: KubeObject, as: Kind) => shapedTypeOf(isOf(as, shown) ? as : typeOf(shown, as));

/** The kind that a request is about, as it is called in a review. */
export const requestedType = ({ kind, subresource, object }: AdmissionRequest): BodyType =>
  subresource === 'scale' && kind.scale ? SCALE : typeOf(object, kind);

export const isOf = (kind: Kind, object: KubeObject): boolean => {
  const type = typeOf(object, kind);
  return type.group === kind.group && type.version === kind.version && type.kind === kind.kind;
};

async function converted(object: KubeObject, from: Kind, to: Kind): Promise<KubeObject> {
  if (from === to) return { ...object, apiVersion: apiVersionOf(to), kind: to.kind };
  if (from.converter) {
    const [made] = await from.converter.convert([object], apiVersionOf(to));
    return to.custom?.shaped(made!) ?? made!;
  }
  const stored = from.hub ? from.hub.toHub(object) : object;
  const wanted = to.hub ? to.hub.fromHub(stored) : stored;
  return { ...wanted, apiVersion: apiVersionOf(to), kind: to.kind };
}
