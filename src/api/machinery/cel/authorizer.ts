/**
 * The `authorizer` of expressions. Evaluation is synchronous, an authorizer may have to be awaited: a check that is not
 * decided yet ends the evaluation with `pending`; the caller decides it and evaluates again. A check costs 350,000 units
 * of the 1,000,000 that an evaluation has, so there are never more than three rounds.
 *
 *     const decisions = new Decisions((check) => authorize(user, check));
 *     const outcome = await decisions.settle(() => program.evaluate({ ...variables, ...authorizerVariables(decisions, request) }));
 */
import { objectNamed } from './cel-type.ts';
import { type DeclaredType, opaqueType } from './declared-type.ts';
import type { Outcome } from './program.ts';
import { Opaque } from './value.ts';

/** What a check asks. */
export interface AuthorizationCheck {
  /** undefined: the user of the request. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly verb: string;
  /** Of a non-resource request; the fields below are then empty. */
  readonly path?: string;
  readonly group: string;
  /** Any version is meant: `*`. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** As written; empty for none. One that cannot be read is to be ignored. */
  readonly fieldSelector: string;
  readonly labelSelector: string;
}

export interface AuthorizationDecision {
  readonly allowed: boolean;
  readonly reason: string;
  /** Why it could not be decided; `errored()` and `error()` tell it. */
  readonly error?: string;
}

/** undefined: not known yet. */
export type Decide = (check: AuthorizationCheck) => AuthorizationDecision | undefined;

/** Thrown through an evaluation by a check that is not decided; `Program.evaluate` catches it. */
export class PendingDecision {
  readonly check: AuthorizationCheck;
  constructor(check: AuthorizationCheck) {
    this.check = check;
  }
}

/** Remembers what was decided, for one user and one request. */
export class Decisions {
  readonly #ask: (check: AuthorizationCheck) => AuthorizationDecision | Promise<AuthorizationDecision>;
  readonly #known = new Map<string, AuthorizationDecision>();

  constructor(ask: (check: AuthorizationCheck) => AuthorizationDecision | Promise<AuthorizationDecision>) {
    this.#ask = ask;
  }

  readonly decide: Decide = (check) => this.#known.get(JSON.stringify(check));

  /** Evaluates until nothing is pending; without a promise when nothing had to be asked. Rejects as `ask` does. */
  settle(run: () => Outcome): Outcome | Promise<Outcome> {
    const outcome = run();
    return outcome.pending ? this.#settleAfter(outcome.pending, run) : outcome;
  }

  async #settleAfter(check: AuthorizationCheck, run: () => Outcome): Promise<Outcome> {
    this.#known.set(JSON.stringify(check), await this.#ask(check));
    return this.settle(run);
  }
}

export const AUTHORIZER = objectNamed('kubernetes.authorization.Authorizer');
export const PATH_CHECK = objectNamed('kubernetes.authorization.PathCheck');
export const GROUP_CHECK = objectNamed('kubernetes.authorization.GroupCheck');
export const RESOURCE_CHECK = objectNamed('kubernetes.authorization.ResourceCheck');
export const DECISION = objectNamed('kubernetes.authorization.Decision');

/** To declare the two variables: `environment({ variables: { ...authorizerDeclarations } })`. */
export const authorizerDeclarations = {
  authorizer: opaqueType(AUTHORIZER),
  'authorizer.requestResource': opaqueType(RESOURCE_CHECK),
} as const satisfies Record<string, DeclaredType>;

/** What `authorizer.requestResource` is about. */
export interface RequestedResource {
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
}

/** The values of the two variables. */
export const authorizerVariables = ({ decide }: { decide: Decide }, requested: RequestedResource) => ({
  authorizer: new AuthorizerValue(decide),
  'authorizer.requestResource': new ResourceCheck(decide, { ...requested, fieldSelector: '', labelSelector: '' }),
});

type ServiceAccount = AuthorizationCheck['serviceAccount'];
type Resource = Omit<AuthorizationCheck, 'verb' | 'path'>;

/** Values here are equal only to themselves. */
abstract class Part extends Opaque {
  readonly decide: Decide;
  constructor(decide: Decide) {
    super();
    this.decide = decide;
  }
  equals(other: unknown): boolean {
    return this === other;
  }
  protected decided(check: AuthorizationCheck): DecisionValue {
    const decision = this.decide(check);
    if (decision === undefined) throw new PendingDecision(check);
    return new DecisionValue(decision);
  }
}

export class AuthorizerValue extends Part {
  readonly serviceAccount: ServiceAccount;
  constructor(decide: Decide, serviceAccount?: ServiceAccount) {
    super(decide);
    this.serviceAccount = serviceAccount;
  }
  get type() {
    return AUTHORIZER;
  }
}

export class GroupCheck extends Part {
  readonly of: { serviceAccount: ServiceAccount; group: string };
  constructor({ decide, serviceAccount }: AuthorizerValue, group: string) {
    super(decide);
    this.of = { serviceAccount, group };
  }
  get type() {
    return GROUP_CHECK;
  }
}

export class ResourceCheck extends Part {
  readonly of: Resource;
  constructor(decide: Decide, of: Resource) {
    super(decide);
    this.of = of;
  }
  get type() {
    return RESOURCE_CHECK;
  }
  with(change: Partial<Resource>): ResourceCheck {
    return new ResourceCheck(this.decide, { ...this.of, ...change });
  }
  check(verb: string): DecisionValue {
    return this.decided({ ...this.of, verb });
  }
}

const NOWHERE = {
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  fieldSelector: '',
  labelSelector: '',
};

export class PathCheck extends Part {
  readonly serviceAccount: ServiceAccount;
  readonly path: string;
  constructor({ decide, serviceAccount }: AuthorizerValue, path: string) {
    super(decide);
    this.serviceAccount = serviceAccount;
    this.path = path;
  }
  get type() {
    return PATH_CHECK;
  }
  check(verb: string): DecisionValue {
    return this.decided({ ...NOWHERE, serviceAccount: this.serviceAccount, path: this.path, verb });
  }
}

export class DecisionValue extends Opaque {
  readonly decision: AuthorizationDecision;
  constructor(decision: AuthorizationDecision) {
    super();
    this.decision = decision;
  }
  get type() {
    return DECISION;
  }
  equals(other: unknown): boolean {
    return this === other;
  }
}
