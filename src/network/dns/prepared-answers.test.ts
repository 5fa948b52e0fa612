import { expect, test } from 'vitest';
import { PreparedAnswers } from './prepared-answers.ts';

const question = (number: number) => Buffer.from(`id question ${number}`);

test('answers are kept by their bytes: one name asked for in many ways does not fill the memory', () => {
  const prepared = new PreparedAnswers();
  const turns = Array.from({ length: 8 }, () => Buffer.alloc(1_232));
  for (let i = 0; i < 2_000; i++) prepared.keep(question(i), 'many', turns); // 20 MB
  expect(prepared.find(question(0))).toBeUndefined();
  expect(prepared.find(question(1_999))).toBeDefined();
});

test('what was forgotten makes room', () => {
  const prepared = new PreparedAnswers();
  const turns = [Buffer.alloc(1 << 20)];
  prepared.keep(question(0), 'kept', [Buffer.alloc(10)]);
  for (let i = 1; i < 100; i++) {
    prepared.keep(question(i), 'changing', turns);
    prepared.forget('changing');
  }
  expect(prepared.find(question(0))).toBeDefined();
});
