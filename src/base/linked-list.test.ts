import { expect, test } from 'vitest';
import { type Linked, LinkedList } from './linked-list.ts';

class Named implements Linked<Named> {
  previous: Named | undefined;
  next: Named | undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function listOf(...names: string[]) {
  const list = new LinkedList<Named>();
  const members = names.map((name) => new Named(name));
  for (const member of members) list.add(member);
  return { list, members };
}

const namesIn = (list: LinkedList<Named>) => [...list].map(({ name }) => name);

test('members stand in the order in which they came', () => {
  const { list } = listOf('a', 'b', 'c');
  expect(namesIn(list)).toEqual(['a', 'b', 'c']);
  expect(list.size).toBe(3);
  expect(list.first?.name).toBe('a');
});

test.each([
  { leaves: 0, left: ['b', 'c'] },
  { leaves: 1, left: ['a', 'c'] },
  { leaves: 2, left: ['a', 'b'] },
])('member $leaves of three can leave, and come back at the end', ({ leaves, left }) => {
  const { list, members } = listOf('a', 'b', 'c');
  const leaving = members[leaves]!;
  expect(list.delete(leaving)).toBe(true);
  expect(namesIn(list)).toEqual(left);
  list.add(leaving);
  expect(namesIn(list)).toEqual([...left, leaving.name]);
});

test('who has left cannot leave again, and holds nobody', () => {
  const { list, members } = listOf('a', 'b', 'c');
  const [, middle] = members;
  list.delete(middle!);
  expect(list.delete(middle!)).toBe(false);
  expect(list.size).toBe(2);
  expect([middle!.previous, middle!.next]).toEqual([undefined, undefined]);
});

test('the last one to leave leaves an empty list', () => {
  const { list, members } = listOf('a');
  list.delete(members[0]!);
  expect(list.first).toBeUndefined();
  expect(namesIn(list)).toEqual([]);
  list.add(members[0]!);
  expect(namesIn(list)).toEqual(['a']);
});

test('whoever is looked at may leave meanwhile', () => {
  const { list } = listOf('a', 'b', 'c');
  const seen: string[] = [];
  for (const member of list) {
    seen.push(member.name);
    list.delete(member);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
  expect(list.size).toBe(0);
});
