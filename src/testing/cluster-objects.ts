/** The objects of a test cluster: written as an administrator, read as of the last time that it was at rest. */
import { type Kind, pathOf } from '#api/machinery/kind.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { valuesIn } from '#cli/verbs/documents.ts';
import type { Client, DeleteOptions, Draft, Named, PatchType } from '#client/client.ts';
import type { Sent } from './builders.ts';
import type { StoredView } from './stored-view.ts';

export abstract class ClusterObjects {
  /** As an administrator. */
  abstract readonly client: Client;
  abstract readonly kinds: MutableKindRegistry;
  protected abstract readonly view: StoredView;
  abstract settles(): Promise<void>;

  /** The status is written as well, where the kind takes it only by its subresource. */
  create<T extends KubeObject>(kind: Kind<T>, object: Sent<T>): Promise<T> {
    return this.client.create(kind, object as unknown as Draft<T>);
  }

  update<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    return this.client.update(kind, object);
  }

  updateStatus<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    return this.client.updateStatus(kind, object);
  }

  patch<T extends KubeObject>(
    kind: Kind<T>,
    at: ObjectKey | (Named & { subresource?: string }),
    patch: unknown,
    type: PatchType = 'merge',
  ): Promise<T> {
    return this.client.patch(kind, namedBy(at), { type, patch });
  }

  delete<T extends KubeObject>(kind: Kind<T>, at: ObjectKey | Named, options: DeleteOptions = {}): Promise<void> {
    return this.client.delete(kind, namedBy(at), options);
  }

  /**
   * As `kubectl apply --server-side`: of a manifest (YAML, any number of documents), or of objects. Gives what came of it, in
   * the same order.
   */
  async apply(manifest: string | object | readonly object[]): Promise<KubeObject[]> {
    const objects = typeof manifest === 'string' ? objectsInYaml(manifest) : [manifest].flat();
    const applied: KubeObject[] = [];
    for (const object of objects) {
      applied.push(await this.#applyOne(object as KubeObject));
      if ((object as KubeObject).kind === 'CustomResourceDefinition') await this.settles(); // its kind is served
    }
    return applied;
  }

  async #applyOne(object: KubeObject): Promise<KubeObject> {
    const kind = this.kind(object.apiVersion, object.kind);
    const { name, namespace = 'default' } = object.metadata;
    const path = pathOf(kind, { name, ...(kind.scope === 'Namespaced' && { namespace }) });
    const body = new TextEncoder().encode(JSON.stringify(object));
    const contentType = 'application/apply-patch+yaml';
    const query = '?fieldManager=kedge-testing&force=true';
    const { transport } = this.client;
    return (await transport.request({ method: 'PATCH', path: path + query, body, contentType })).object as KubeObject;
  }

  /** A kind that is served, also one of a CustomResourceDefinition. */
  kind<T extends KubeObject = KubeObject>(apiVersion: string, kind: string): Kind<T> {
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const found = this.kinds.byKind(group, version, kind);
    if (!found) throw new Error(`no kind ${kind} of ${apiVersion} is served`);
    return found as unknown as Kind<T>;
  }

  /** As of the last `settles`; undefined when there is none. */
  get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): T | undefined {
    return this.view.list(kind).find((object) => keyOf(object) === key);
  }

  /** As of the last `settles`, in key order. */
  list<T extends KubeObject>(kind: Kind<T>, { namespace }: { namespace?: string } = {}): T[] {
    return this.view.list(kind, namespace);
  }
}

function objectsInYaml(manifest: string): unknown[] {
  try {
    return [...valuesIn(manifest)].filter((value) => value !== null);
  } catch (error) {
    throw new Error(`the manifest cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function namedBy<T extends Named>(at: ObjectKey | T): Named {
  if (typeof at !== 'string') return at;
  const [name = '', namespace] = at.split('/').reverse();
  return { name, ...(namespace && { namespace }) };
}
