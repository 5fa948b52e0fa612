/** `kedge taint`: what keeps pods from nodes. Source: kubectl, cmd/taint. */
import type { Node, Taint } from '#api/generated/schema.ts';
import { labelValue, qualifiedName } from '#api/machinery/names.ts';
import { forEachTarget } from './going-on.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { ALL_FLAG, SELECTOR_FLAGS, type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunOf, fieldManagerFlag, VALIDATE_FLAG, validationOf, writeQuery } from './writing.ts';

export const taintVerb: Verb = {
  name: 'taint',
  summary: 'change what keeps pods from nodes',
  usage: 'NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N',
  flags: [
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    ALL_FLAG,
    DRY_RUN_FLAG,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-taint'),
    { name: 'overwrite', type: 'bool', summary: 'also where there is another value already' },
  ],
  async run(call) {
    dryRunOf(call.flags);
    validationOf(call.flags);
    const { words, changes } = changesIn(call);
    await refuseOtherKinds(call, words[0]!);
    refuseContradictions(changes);
    await forEachTarget(await nodesNamed(call, words.slice(1)), (target) => taint(call, target, changes));
  },
};

interface Changes {
  added: readonly Taint[];
  /** Without an effect: whatever its effect. */
  removed: readonly Partial<Taint>[];
}

const isChange = (word: string): boolean => /[=:]|-$/.test(word);

/** The type and the names, and behind them what changes. Throws VerbError. */
function changesIn({ args, path }: VerbCall): { words: readonly string[]; changes: Changes } {
  const at = args.findIndex(isChange);
  const words = at < 0 ? args : args.slice(0, at);
  const specs = args.slice(words.length);
  const stray = specs.find((word) => !isChange(word));
  if (stray !== undefined) throw new VerbError(`all resources must be specified before taint changes: ${stray}`);
  if (words.length === 0) throw new VerbError('one or more resources must be specified as <resource> <name>');
  if (specs.length === 0) throw new VerbError('at least one taint update is required');
  try {
    return { words, changes: parsed(specs) };
  } catch (error) {
    throw error instanceof VerbError ? unexpected(error.message, path) : error;
  }
}

function parsed(specs: readonly string[]): Changes {
  const added: Taint[] = [];
  const removed: Partial<Taint>[] = [];
  for (const spec of specs) {
    const { key, value, effect } = taintIn(spec.replace(/-$/, ''));
    if (spec.endsWith('-')) {
      removed.push({ key, ...(effect && { effect }) });
      continue;
    }
    if (!effect) throw new VerbError(`invalid taint spec: ${spec}`);
    if (added.some((other) => other.key === key && other.effect === effect))
      throw new VerbError(`duplicated taints with the same key and effect: {${key} ${value} ${effect} <nil>}`);
    added.push({ effect, key, ...(value && { value }) });
  }
  return { added, removed };
}

type Effect = Taint['effect'];
const EFFECTS: readonly Effect[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const isEffect = (text: string): text is Effect => (EFFECTS as readonly string[]).includes(text);

/** `key=value:effect`, `key:effect` or `key`. */
function taintIn(spec: string): { key: string; value: string; effect: Effect | undefined } {
  const invalid = (why = '') => new VerbError(`invalid taint spec: ${spec}${why}`);
  const [pair = '', effect, ...more] = spec.split(':');
  if (more.length > 0) throw invalid();
  if (effect !== undefined && !isEffect(effect))
    throw new VerbError(`invalid taint effect: ${effect}, unsupported taint effect`);
  const [key = '', value = '', ...rest] = effect === undefined ? [pair] : pair.split('=');
  if (rest.length > 0) throw invalid();
  const complaints = labelValue(value);
  const problems = complaints.length > 0 ? complaints : qualifiedName(key);
  if (problems.length > 0) throw invalid(`, ${problems.join('; ')}`);
  return { key, value, effect };
}

async function refuseOtherKinds({ cluster }: VerbCall, type: string): Promise<void> {
  const name = type.toLowerCase();
  const served = (await cluster.resources()).find(name);
  if (!served) throw new VerbError(`the server doesn't have a resource type ${JSON.stringify(name)}`, { isBare: true });
  if (served.kind !== 'Node') throw new VerbError(`invalid resource type ${name}, only node types are supported`);
}

function refuseContradictions({ added, removed }: Changes): void {
  const both = added.flatMap(({ key, effect }) =>
    removed.filter((taint) => taint.key === key && (!taint.effect || taint.effect === effect)),
  );
  if (both.length === 0) return;
  const told = both.map(({ key, effect }) => `${key}=${effect ?? ''}`).join(', ');
  throw new VerbError(`can not both modify and remove the following taint(s) in the same command: ${told}`);
}

function nodesNamed(call: VerbCall, names: readonly string[]) {
  const { flags } = call;
  const [isAll, selector] = [flags.bool('all'), flags.string('selector')];
  if (isAll && selector) throw new VerbError("setting 'all' parameter with a non empty selector is prohibited");
  if (!isAll && !selector && names.length === 0)
    throw new VerbError("at least one resource name must be specified since 'all' parameter is not set");
  const args = isAll || selector ? ['nodes'] : ['nodes', ...names];
  return targetsOf({ ...call, args }, { latest: true, wholeTypes: true });
}

async function taint({ flags, cluster, io }: VerbCall, target: Target, changes: Changes): Promise<void> {
  const node = target.object as Node;
  const dryRun = dryRunOf(flags);
  const isOverwriting = flags.bool('overwrite');
  if (!isOverwriting) refuseOverwriting(node, changes);
  const { taints, operation } = tainted(node, changes);
  const print = resultPrinter(flags, io);
  const told = isOverwriting ? 'modified' : operation;
  if (dryRun === 'client') return io.out(print({ ...node, spec: withTaints(node, taints) }, told));
  const reply = await cluster.request({
    method: 'PATCH',
    path: pathOf(target.resource, { name: target.name, query: writeQuery(flags, { dryRun, hasValidation: true }) }),
    object: { spec: { taints: taints.length > 0 ? taints : null } },
    contentType: 'application/strategic-merge-patch+json',
  });
  io.out(print(reply.object, told));
}

function withTaints({ spec }: Node, taints: readonly Taint[]) {
  const { taints: _, ...rest } = spec;
  return taints.length > 0 ? { ...rest, taints } : rest;
}

const isSame = (a: Partial<Taint>, b: Partial<Taint>): boolean => a.key === b.key && a.effect === b.effect;

function refuseOverwriting({ metadata, spec }: Node, { added }: Changes): void {
  const there = added.filter((taint) => (spec.taints ?? []).some((old) => isSame(old, taint)));
  if (there.length === 0) return;
  const keys = there.map(({ key }) => key).join(',');
  throw new VerbError(
    `node ${metadata.name} already has ${keys} taint(s) with same effect(s) and --overwrite is false`,
  );
}

/** New ones stand first. What is told counts only the last of those that go, as kubectl does. */
function tainted({ spec }: Node, { added, removed }: Changes): { taints: Taint[]; operation: string } {
  const old = spec.taints ?? [];
  let taints = [...added, ...old.filter((taint) => !added.some((other) => isSame(taint, other)))];
  const isMore = taints.length !== old.length;
  const missing: unknown[] = [];
  let isLess = false;
  for (const taint of removed) {
    const kept = taints.filter(({ key, effect }) => key !== taint.key || (taint.effect && taint.effect !== effect));
    isLess = kept.length < taints.length;
    if (!isLess) {
      const told = [taint.key, taint.effect].filter(Boolean).join(':');
      missing.push(new VerbError(`taint ${JSON.stringify(told)} not found`));
    }
    taints = kept;
  }
  throwIfAny(missing);
  return { taints, operation: isMore && isLess ? 'modified' : isMore ? 'tainted' : 'untainted' };
}
