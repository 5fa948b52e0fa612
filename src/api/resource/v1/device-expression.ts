/**
 * Expressions in CEL that select devices. Source: API reference, resource.k8s.io/v1, CELDeviceSelector; types and sizes as
 * k8s.io/dynamic-resource-allocation/cel has them.
 */
import type { Device } from '#api/generated/schema.ts';
import { adaptAny } from '#api/machinery/cel/adapt.ts';
import { type CelType, formatType } from '#api/machinery/cel/cel-type.ts';
import {
  boolType,
  type DeclaredType,
  field,
  mapType,
  objectType,
  opaqueType,
  stringType,
} from '#api/machinery/cel/declared-type.ts';
import { type Environment, environment } from '#api/machinery/cel/environment.ts';
import { compilationProblem } from '#api/machinery/cel/issue.ts';
import { bindings } from '#api/machinery/cel/libraries/bindings.ts';
import { kubernetesLibraries } from '#api/machinery/cel/libraries/kubernetes-libraries.ts';
import { QUANTITY, quantityOf } from '#api/machinery/cel/libraries/quantities.ts';
import { semverOf } from '#api/machinery/cel/libraries/semvers.ts';
import type { Activation, Program } from '#api/machinery/cel/program.ts';
import { CelError, MapLike, type Result, type Value } from '#api/machinery/cel/value.ts';

/** Of one device, and of the worst case that an expression may have. */
export const SELECTOR_COST_LIMIT = 1_000_000;
const MAX_DRIVER = 63;
const MAX_DOMAIN = 63;
const MAX_ID = 32;
const MAX_ATTRIBUTES = 32;
const MAX_ATTRIBUTE_VALUE = 64;

const ofSize = (type: DeclaredType, maxElements: number): DeclaredType => ({ ...type, maxElements });

const ANY: CelType = Object.freeze({ kind: 'dyn', name: 'any', params: [] });
/** An attribute: a whole number, a text, a version or a bool, of a size that is known. */
const attributeType: DeclaredType = { ...ofSize(opaqueType(ANY), MAX_ATTRIBUTE_VALUE), isAny: true };

const byDomain = (value: DeclaredType): DeclaredType =>
  mapType(ofSize(stringType, MAX_DOMAIN), mapType(ofSize(stringType, MAX_ID), value, MAX_ATTRIBUTES), MAX_ATTRIBUTES);

let made: Environment | undefined;

/** The variable `device`, `cel.bind`, and everything that Kubernetes has elsewhere. */
function deviceEnvironment(): Environment {
  made ??= environment({
    variables: {
      device: objectType('kubernetes.DRADevice', {
        driver: field(ofSize(stringType, MAX_DRIVER), true),
        allowMultipleAllocations: field(ofSize(boolType, 1), true),
        attributes: field(byDomain(attributeType), true),
        capacity: field(byDomain(opaqueType(QUANTITY)), true),
      }),
    },
    libraries: [...kubernetesLibraries, bindings],
  });
  return made;
}

/** `problem` has upstream's text, as validation and the scheduler show it. Keep the program. */
export function compileDeviceSelector(expression: string): { program: Program } | { problem: string } {
  const { program, issues } = deviceEnvironment().compile(expression);
  if (!program) return { problem: compilationProblem(issues) };
  const { kind, name } = program.outputType;
  if (kind !== 'bool' && name !== ANY.name)
    return { problem: `must evaluate to bool or the unknown type, not ${formatType(program.outputType)}` };
  return { program };
}

/** What `device` is for a program of `compileDeviceSelector`; names without a domain belong to the driver. */
export const deviceActivation = (driver: string, device: Device): Activation => ({
  device: {
    driver,
    allowMultipleAllocations: device.allowMultipleAllocations ?? false,
    attributes: domains(driver, device.attributes ?? {}, ({ int, bool, string, version }) =>
      version === undefined ? adaptAny(int ?? bool ?? string) : semverOf(version),
    ),
    capacity: domains(driver, device.capacity ?? {}, ({ value }) => quantityOf(value)),
  },
});

function domains<T>(driver: string, named: Readonly<Record<string, T>>, read: (one: T) => Result): MapLike {
  const found = new Map<string, Map<string, Result>>();
  for (const [name, one] of Object.entries(named)) {
    const slash = name.indexOf('/');
    const domain = slash < 0 ? driver : name.slice(0, slash);
    const values = found.get(domain) ?? new Map<string, Result>();
    found.set(domain, values.set(name.slice(slash + 1), read(one)));
  }
  return new Domains(found);
}

class Values extends MapLike {
  readonly #values: ReadonlyMap<string, Result>;
  constructor(values: ReadonlyMap<string, Result>) {
    super();
    this.#values = values;
  }
  get size(): number {
    return this.#values.size;
  }
  find(key: Value): Result | undefined {
    return typeof key === 'string' ? this.#values.get(key) : undefined;
  }
  keys(): readonly Value[] {
    return [...this.#values.keys()];
  }
}

const NOTHING = new Values(new Map());

/** There is every domain; in most of them is nothing. */
class Domains extends MapLike {
  readonly #values: ReadonlyMap<string, Values>;
  constructor(values: ReadonlyMap<string, ReadonlyMap<string, Result>>) {
    super();
    this.#values = new Map([...values].map(([domain, named]) => [domain, new Values(named)]));
  }
  get size(): number {
    return this.#values.size;
  }
  find(key: Value): Result {
    return typeof key === 'string' ? (this.#values.get(key) ?? NOTHING) : new CelError('no such overload');
  }
  keys(): readonly Value[] {
    return [...this.#values.keys()];
  }
}
