import { List, type Value } from '../value.ts';

/** What a loop collects: grows until the loop is over, and nobody sees it before. */
export class GrowingList extends List {
  push(value: Value): void {
    (this.items as Value[]).push(value);
  }
  constructor() {
    super([]);
  }
}
