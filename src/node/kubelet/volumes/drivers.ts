/** The CSI drivers of this node, and what the API is told of them: CSINode, the node's labels and its annotation. */
import { Node } from '#api/core/v1/node.ts';
import { hasReason } from '#api/machinery/status.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import type { Client } from '#client/client.ts';
import type { DriverInfo, NodeDriver } from '#node/runtime/csi/node-driver.ts';

export interface DriversOptions {
  client: Client;
  nodeName: string;
}

const NODE_ID = 'csi.volume.kubernetes.io/nodeid';
const TRIES = 5;

export class Drivers {
  readonly #options: DriversOptions;
  readonly #drivers = new Map<string, NodeDriver>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DriversOptions) {
    this.#options = options;
  }

  get(name: string): NodeDriver | undefined {
    return this.#drivers.get(name);
  }

  /** In the place of an older one of its name. Throws what the driver or the API says against it. */
  async register(driver: NodeDriver): Promise<void> {
    const info = await driver.info();
    const before = this.#drivers.get(driver.name);
    this.#drivers.set(driver.name, driver);
    if (before && before !== driver) before.close();
    await this.#inOrder(() => this.#tell(driver.name, info));
  }

  /** Only this very one: it may have been replaced. */
  async unregister(driver: NodeDriver): Promise<void> {
    if (this.#drivers.get(driver.name) !== driver) return;
    this.#drivers.delete(driver.name);
    driver.close();
    await this.#inOrder(() => this.#tell(driver.name, undefined));
  }

  close(): void {
    for (const driver of this.#drivers.values()) driver.close();
  }

  #inOrder(act: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(act);
    this.#writing = done.catch(() => undefined); // told to who asked
    return done;
  }

  async #tell(name: string, info: DriverInfo | undefined): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#tellNode(name, info);
        await this.#tellCsiNode(name, info);
        return;
      } catch (error) {
        if (tries >= TRIES || !hasReason(error, 'Conflict', 'AlreadyExists')) throw error;
      }
    }
  }

  async #tellNode(name: string, info: DriverInfo | undefined): Promise<void> {
    const { client, nodeName } = this.#options;
    const { metadata } = await client.get(Node, { name: nodeName });
    const ids = new Map(Object.entries(idsIn(metadata.annotations?.[NODE_ID])));
    if (info) ids.set(name, info.nodeId);
    else ids.delete(name);
    const text = ids.size > 0 ? JSON.stringify(Object.fromEntries([...ids].sort())) : null;
    const labels = info?.topology ?? {};
    const isThere = Object.entries(labels).every(([key, value]) => metadata.labels?.[key] === value);
    if ((metadata.annotations?.[NODE_ID] ?? null) === text && isThere) return;
    const patch = { metadata: { labels, annotations: { [NODE_ID]: text } } };
    await client.patch(Node, { name: nodeName }, { type: 'merge', patch });
  }

  async #tellCsiNode(name: string, info: DriverInfo | undefined): Promise<void> {
    const { client, nodeName } = this.#options;
    const there = await client.get(CSINode, { name: nodeName }).catch((error: unknown) => {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    });
    const others = (there?.spec.drivers ?? []).filter((driver) => driver.name !== name);
    const topologyKeys = Object.keys(info?.topology ?? {});
    const own = info && {
      name,
      nodeID: info.nodeId,
      topologyKeys: topologyKeys.length > 0 ? topologyKeys : null,
      ...(info.maxVolumes > 0 && { allocatable: { count: info.maxVolumes } }),
    };
    const drivers = [...others, ...(own ? [own] : [])] as CSINode['spec']['drivers'];
    if (there && isEqual(there.spec.drivers ?? [], drivers)) return;
    if (there) await client.update(CSINode, { ...there, spec: { ...there.spec, drivers } });
    else {
      const { metadata } = await client.get(Node, { name: nodeName });
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: metadata.uid }];
      await client.create(CSINode, { metadata: { name: nodeName, ownerReferences }, spec: { drivers } });
    }
  }
}

function idsIn(text: string | undefined): Record<string, string> {
  try {
    return text ? (JSON.parse(text) as Record<string, string>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
