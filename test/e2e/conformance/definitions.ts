/** Custom resource definitions of the tests: made, established, and gone again when their test is over. */
import type { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { eventually } from '../running-cluster.ts';
import type { Sent } from './api.ts';
import type { Playground } from './playground.ts';

export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

type Version = Record<string, unknown> & { name: string };

export interface Defined {
  group: string;
  /** The kind; its plural is the lower case with an `s`. */
  kind: string;
  scope?: 'Namespaced' | 'Cluster';
  /** `v1` that takes everything if it is not given; the first is the storage version unless one says so. */
  versions?: readonly Version[];
  /** What else the definition's spec has. */
  spec?: object;
  labels?: Record<string, string>;
}

const ANYTHING = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

export const definition = ({ group, kind, scope = 'Namespaced', versions, spec, labels }: Defined) => {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, ...(labels && { labels }) },
    spec: {
      group,
      scope,
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: (versions ?? [{ name: 'v1' }]).map((version, index) => ({
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: ANYTHING },
        ...version,
      })),
      ...spec,
    },
  };
};

/** A definition that is served, with the paths of its objects. */
export class Definition {
  readonly #ground: Playground;
  readonly #defined: Defined;

  constructor(ground: Playground, defined: Defined) {
    this.#ground = ground;
    this.#defined = defined;
  }

  get plural(): string {
    return `${this.#defined.kind.toLowerCase()}s`;
  }
  get name(): string {
    return `${this.plural}.${this.#defined.group}`;
  }
  get path(): string {
    return `${DEFINITIONS}/${this.name}`;
  }
  /** Of the objects, in the playground's namespace where they have one. */
  objects(version = 'v1'): string {
    const { group, scope } = this.#defined;
    const within = scope === 'Cluster' ? '' : `namespaces/${this.#ground.namespace}/`;
    return `/apis/${group}/${version}/${within}${this.plural}`;
  }
  object(name: string, parts: object = {}, version = 'v1'): Sent {
    return { apiVersion: `${this.#defined.group}/${version}`, kind: this.#defined.kind, metadata: { name }, ...parts };
  }

  async create(): Promise<this> {
    await this.#ground.api.post(DEFINITIONS, definition(this.#defined));
    await this.established();
    return this;
  }

  /** Served, too: the API server follows its definitions, and the condition is written before it has. */
  async established(): Promise<void> {
    const { api } = this.#ground;
    await eventually(`${this.name} is established`, async () => {
      const { spec, status } = await api.get<CustomResourceDefinition>(this.path);
      if (!status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True')) return false;
      const served = spec.versions.filter((version) => version.served).map(({ name }) => this.objects(name));
      const answers = await Promise.all(served.map((path) => api.try('GET', path)));
      return answers.every(({ code }) => code !== 404);
    });
  }

  async remove(): Promise<void> {
    await this.#ground.api.try('DELETE', this.path);
    await this.#ground.gone(this.path);
    await this.#ground.gone(this.objects());
  }
}

/** Runs `tale` with definitions that exist for it alone. */
export async function withDefinitions(
  ground: Playground,
  all: readonly Defined[],
  tale: (...definitions: Definition[]) => Promise<void>,
): Promise<void> {
  const definitions = all.map((defined) => new Definition(ground, defined));
  try {
    await Promise.all(definitions.map((each) => each.create()));
    await tale(...definitions);
  } finally {
    await Promise.all(definitions.map((each) => each.remove()));
  }
}
