import { expect, test } from 'vitest';
import { replacingBlock } from './table-block.ts';

const parts = [
  ['add map ip x m { type ipv4_addr : verdict; }', 'add chain ip x c', 'add rule ip x c counter drop'],
  [
    'add chain ip x hooked { type filter hook input priority 0; }',
    'add set ip x s { type ipv4_addr; flags interval; }',
    'add element ip x m { 10.0.0.1 : goto c }',
    'add element ip x s { 10.0.0.0/8 }',
  ],
  ['add map ip x t { typeof ip daddr . th dport : ip daddr . th dport }', 'add element ip x m { 10.0.0.2 : goto c }'],
];

test('a table that is there is replaced by one block', () => {
  expect([...replacingBlock('ip x', parts)].join('')).toBe(`add table ip x
delete table ip x
table ip x {
map m { type ipv4_addr : verdict; }
chain c { }
chain c {
counter drop
}
chain hooked { type filter hook input priority 0; }
set s { type ipv4_addr; flags interval; }
map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto c }
}
set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }
}
map t { typeof ip daddr . th dport : ip daddr . th dport; }
map m { type ipv4_addr : verdict; elements = { 10.0.0.2 : goto c }
}
}
`);
});

test('its brace is open from the first piece on, which the kernel takes at once, to the last', () => {
  const pieces = [...replacingBlock('ip x', parts)];
  expect(pieces[0]?.endsWith('{\n')).toBe(true);
  expect(pieces[0]?.length).toBeLessThan(4_096);
  let open = 0;
  const text = pieces.join('').slice(pieces[0]?.length);
  for (const [i, character] of [...text.trimEnd()].entries()) {
    expect(open, `before ${i}`).toBeGreaterThanOrEqual(0);
    if (character === '{') open++;
    if (character === '}') open--;
  }
  expect(open).toBe(-1);
});

test('what is no part of a table is in none', () => {
  expect(() => [...replacingBlock('ip x', [['delete chain ip x c']])]).toThrow('no part of a table');
  expect(() => [...replacingBlock('ip x', [['add element ip x s { 10.0.0.1 }']])]).toThrow('no part of a table');
});
