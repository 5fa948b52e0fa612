/** The size of anything that has one, through its scale subresource. */
import type { CrossVersionObjectReference, Scale } from '#api/generated/schema.ts';
import { type Kind, type KindRegistry, pathOf } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Transport } from '#client/transport.ts';

export interface Target {
  scale: Scale;
  /** Sets the size, also when somebody else was at it. Throws StatusError. */
  resize(replicas: number): Promise<void>;
}

export interface Scales {
  /** Throws StatusError, and UnknownTarget when no such kind is served. */
  find(ref: CrossVersionObjectReference, namespace: string): Promise<Target>;
}

export class UnknownTarget extends Error {}

/** Source: client-go, retry.DefaultRetry. */
const TRIES = 5;

export const scalesOver = (transport: Transport, kinds: KindRegistry): Scales => ({
  async find({ apiVersion = '', kind, name }, namespace) {
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    const versions = kinds.all().filter((each) => each.group === group && each.kind === kind && each.verbs.length > 0);
    if (versions.length === 0)
      throw new UnknownTarget(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
    const path = pathOf(scalable(versions), { namespace, name, subresource: 'scale' });
    const get = async () => (await transport.request({ method: 'GET', path })).object as Scale;
    const first = await get();
    return { scale: first, resize: (replicas) => resize({ path, transport, get }, first, replicas) };
  },
});

/** When none can be scaled, the server says so. */
const scalable = (versions: readonly Kind[]): Kind =>
  versions.find(({ subresources, scale }) => scale ?? subresources.some(({ name }) => name === 'scale')) ??
  versions[0]!;

interface At {
  path: string;
  transport: Transport;
  get(): Promise<Scale>;
}

async function resize({ path, transport, get }: At, first: Scale, replicas: number): Promise<void> {
  let scale = first;
  for (let tries = 1; ; tries++) {
    try {
      await transport.request({ method: 'PUT', path, object: { ...scale, spec: { ...scale.spec, replicas } } });
      return;
    } catch (error) {
      if (!hasReason(error, 'Conflict') || tries >= TRIES) throw error;
      scale = await get();
    }
  }
}
