/**
 * What a command is about: `TYPE`, `TYPE NAME…`, `TYPE/NAME…`, or files; in one namespace or in all. Texts of refusals are
 * kubectl's. Source: cli-runtime, resource builder.
 */
import type { FlagSpec } from './flags.ts';
import type { ServedResource } from './served-resources.ts';
import { fromArguments } from './targets-by-arguments.ts';
import { fromFiles } from './targets-in-files.ts';
import type { VerbCall } from './verb.ts';
import type { Validation } from './writing.ts';
import { VerbError } from './verb-error.ts';

export interface Target {
  resource: ServedResource;
  /** Absent for kinds of the cluster, and for lists of all namespaces. */
  namespace?: string | undefined;
  /** '' for a page of a list. */
  name: string;
  /** As the file has it, or as the server has it; absent when it was not asked for. */
  object?: unknown;
  source: string;
}

export interface Targets {
  targets: Target[];
  errors: unknown[];
  /** One object was meant, by its name. */
  isSingle: boolean;
}

export interface TargetOptions {
  /** Objects as the server has them now; pages of lists where a whole type is meant. */
  latest?: boolean;
  /** A type alone means all its objects. */
  wholeTypes?: boolean;
  accept?: string | undefined;
  query?: Readonly<Record<string, string>>;
  chunkSize?: number;
  subresource?: string;
  /** Only one type may be meant. */
  singleType?: boolean;
  /** Lists stay pages instead of becoming their objects. */
  pages?: boolean;
  ignoreNotFound?: boolean;
  /** Files must hold what could be sent; else their reading ends there. */
  validation?: Validation;
}

export const SELECTOR_FLAGS: readonly FlagSpec[] = [
  { name: 'selector', short: 'l', type: 'string', summary: 'labels to select by, e.g. key1=value1,key2 in (a,b)' },
];
export const FIELD_SELECTOR_FLAG: FlagSpec = {
  name: 'field-selector',
  type: 'string',
  summary: 'fields to select by, e.g. status.phase=Running',
};
export const ALL_NAMESPACES_FLAG: FlagSpec = {
  name: 'all-namespaces',
  short: 'A',
  type: 'bool',
  summary: 'in all namespaces',
};
export const ALL_FLAG: FlagSpec = { name: 'all', type: 'bool', summary: 'all objects of the types, in the namespace' };

/** Flags that a command does not have count as not given. */
export interface Asked {
  selector: string;
  fieldSelector: string;
  all: boolean;
  allNamespaces: boolean;
}

export async function targetsOf(call: VerbCall, options: TargetOptions = {}): Promise<Targets> {
  const { args, flags } = call;
  const asked: Asked = {
    selector: optional(() => flags.string('selector'), ''),
    fieldSelector: optional(() => flags.string('field-selector'), ''),
    all: optional(() => flags.bool('all'), false),
    allNamespaces: optional(() => flags.bool('all-namespaces'), false),
  };
  if (optional(() => flags.list('filename').length > 0 || flags.has('kustomize'), false)) {
    if (args.some((arg) => arg.includes('/')))
      throw new VerbError('resource/name arguments cannot be provided when a path is specified');
    if (args.length > 0)
      throw new VerbError(
        'when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well',
      );
    return fromFiles(call, asked, options);
  }
  return fromArguments(call, asked, options);
}

/** Commands differ in the flags that they have. */
function optional<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the command has no flag')) return otherwise;
    throw error;
  }
}
