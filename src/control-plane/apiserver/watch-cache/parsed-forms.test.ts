import { expect, test } from 'vitest';
import { ParsedForms } from './parsed-forms.ts';

const state = () => {
  const made = {
    used: false,
    isDropped: false,
    dropParsed() {
      made.isDropped = true;
    },
  };
  return made;
};

test('what was written is dropped after a while, unless it was read in the meantime', () => {
  const forms = new ParsedForms(1000);
  const [unread, read] = [state(), state()];
  unread.used = true; // by its own answer
  forms.written(unread);
  forms.written(read);
  const later = Array.from({ length: 400 }, state);
  for (const [index, each] of later.entries()) {
    forms.written(each);
    if (index === 200) read.used = true;
  }
  expect(unread.isDropped).toBe(true);
  expect(read.isDropped).toBe(false);
  expect(later.at(-1)?.isDropped).toBe(false);
});

test('of what was parsed the oldest goes first, and what was read has a second chance', () => {
  const forms = new ParsedForms(2);
  const [first, second, third] = [state(), state(), state()];
  forms.kept(first);
  forms.kept(second);
  first.used = true;
  forms.kept(third);
  expect([first, second, third].map(({ isDropped }) => isDropped)).toEqual([false, true, false]);
});

test('what is no longer current is not dropped, because it is not kept', () => {
  const forms = new ParsedForms(1);
  const [first, second] = [state(), state()];
  forms.kept(first);
  forms.forget(first);
  forms.kept(second);
  expect(first.isDropped).toBe(false);
});
