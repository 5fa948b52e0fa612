/**
 * A list that its members can leave from anywhere. For what comes and goes with every request, in place of a Set: a Set moves to
 * a new table again and again, each table it has left points to the next one and still holds what was in it, and so everything
 * that ever was a member outlives the cheap collections of garbage, until an expensive one.
 */
export interface Linked<T> {
  /** Its neighbours, while it is in a list. For the list alone. */
  previous: T | undefined;
  next: T | undefined;
}

export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  /** At the end. `member` is in no list. */
  add(member: T): void {
    member.previous = this.#last;
    if (this.#last) this.#last.next = member;
    else this.#first = member;
    this.#last = member;
    this.#size++;
  }

  /** False when it is not in the list, or no longer. A member of another list must not be given. */
  delete(member: T): boolean {
    const { previous, next } = member;
    if (!previous && this.#first !== member) return false;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    member.previous = undefined; // it must not hold what is still in the list
    member.next = undefined;
    this.#size--;
    return true;
  }

  /** In the order in which they came. The one that was handed out last may leave meanwhile. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let member = this.#first; member; ) {
      const { next } = member;
      yield member;
      member = next;
    }
  }
}
