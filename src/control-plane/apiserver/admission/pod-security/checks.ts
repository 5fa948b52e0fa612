/** What a level asks of pods in a version of Kubernetes: rules were added and loosened over time. */
import { baseline } from './baseline.ts';
import type { Level } from './levels.ts';
import { restricted } from './restricted.ts';
import type { Check, Minor, Rule } from './violation.ts';

/** The last version in which a rule changed; later ones, and `latest`, are the same. */
const NEWEST: Minor = Math.max(...[...baseline, ...restricted].flatMap(({ since }) => since.map(([minor]) => minor)));

const known = new Map<string, readonly Check[]>();

export function checksOf(level: Level, minor: Minor): readonly Check[] {
  if (level === 'privileged') return [];
  const version = Math.min(minor, NEWEST);
  const id = `${level}:${version}`;
  const checks = known.get(id) ?? checksIn(level, version);
  known.set(id, checks);
  return checks;
}

function checksIn(level: 'baseline' | 'restricted', minor: Minor): Check[] {
  const stricter = level === 'restricted' ? restricted.filter((rule) => checkOf(rule, minor)) : [];
  const replaced = stricter.map(({ replaces }) => replaces);
  const rules = [...baseline.filter(({ name }) => !replaced.includes(name)), ...stricter];
  return rules.flatMap((rule) => checkOf(rule, minor) ?? []);
}

const checkOf = ({ since }: Rule, minor: Minor): Check | undefined => since.findLast(([from]) => from <= minor)?.[1];
