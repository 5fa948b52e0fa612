/**
 * Which authorizer decided how often, and what. No opinion is no decision. Source of labels and values: upstream's
 * authorization/metrics/metrics.go.
 */
import type { Authorizer, Decision } from './authorizer.ts';

/** As its configuration calls it. */
export interface AuthorizerName {
  /** `Node`, `RBAC`, `Webhook`, … */
  type: string;
  /** The type in lower case, but for webhooks: there may be several. */
  name: string;
}

interface Decided extends AuthorizerName {
  allowed: number;
  denied: number;
}

export class DecisionCounts {
  readonly #decided = new Map<string, Decided>();

  /** The same authorizer, and its decisions are counted. Another of the same name later goes on where this one was. */
  counted(authorizer: Authorizer, { type, name }: AuthorizerName): Authorizer {
    const decided = this.#of({ type, name });
    const count = (answer: Decision): Decision => {
      if (answer.decision === 'allow') decided.allowed++;
      else if (answer.decision === 'deny') decided.denied++;
      return answer;
    };
    return {
      authorize(attributes) {
        const answer = authorizer.authorize(attributes);
        return answer instanceof Promise ? answer.then(count) : count(answer);
      },
    };
  }

  *samples(): Generator<AuthorizerName & { decision: string; count: number }, void, undefined> {
    for (const { type, name, allowed, denied } of this.#decided.values()) {
      if (allowed > 0) yield { type, name, decision: 'allowed', count: allowed };
      if (denied > 0) yield { type, name, decision: 'denied', count: denied };
    }
  }

  #of({ type, name }: AuthorizerName): Decided {
    const key = `${type}/${name}`;
    const there = this.#decided.get(key);
    if (there) return there;
    const decided = { type, name, allowed: 0, denied: 0 };
    this.#decided.set(key, decided);
    return decided;
  }
}
