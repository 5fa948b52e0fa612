/** The query and path parameters of each verb. Descriptions of common ones are short and our own. */
import type { FieldFacts, TypeFacts } from '#api/machinery/facts.ts';

export interface Parameter {
  name: string;
  type: 'string' | 'integer' | 'boolean' | 'array';
  description: string;
}

const text = (name: string, description: string): Parameter => ({ name, type: 'string', description });
const whole = (name: string, description: string): Parameter => ({ name, type: 'integer', description });
const flag = (name: string, description: string): Parameter => ({ name, type: 'boolean', description });

const PRETTY = text('pretty', 'Print the answer indented when "true".');
const DRY_RUN = text('dryRun', 'With "All" everything is done except storing the result.');
const FIELD_MANAGER = text('fieldManager', 'The name of the actor that makes this change.');
const FIELD_VALIDATION = text(
  'fieldValidation',
  'What to do about unknown or duplicate fields: Ignore, Warn or Strict.',
);

const SELECTION = [
  text('continue', 'Where an earlier list that was limited goes on.'),
  text('fieldSelector', 'Restricts the objects by their fields. Defaults to everything.'),
  text('labelSelector', 'Restricts the objects by their labels. Defaults to everything.'),
  whole('limit', 'The most objects to return in one answer.'),
  text('resourceVersion', 'Constrains which state may be served.'),
  text('resourceVersionMatch', 'How resourceVersion is applied to lists.'),
  flag('sendInitialEvents', 'Begin a watch with events for all objects that exist, and a bookmark behind them.'),
  whole('timeoutSeconds', 'How long the call may take.'),
];

const DELETION = [
  DRY_RUN,
  whole('gracePeriodSeconds', 'Seconds before the object is gone. 0 deletes at once.'),
  flag('ignoreStoreReadErrorWithClusterBreakingPotential', 'Delete an object that can no longer be read from storage.'),
  flag('orphanDependents', 'Deprecated: use propagationPolicy.'),
  text('propagationPolicy', 'What becomes of dependents: Orphan, Background or Foreground.'),
];

const PARAMETERS = {
  get: [PRETTY],
  list: [
    PRETTY,
    flag('allowWatchBookmarks', 'Send events of type BOOKMARK in a watch.'),
    ...SELECTION,
    flag('watch', 'Answer with a stream of changes.'),
  ],
  create: [PRETTY, DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION],
  update: [PRETTY, DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION],
  patch: [
    PRETTY,
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_VALIDATION,
    flag('force', 'Take over fields of other appliers on conflict.'),
  ],
  delete: [PRETTY, ...DELETION],
  deletecollection: [PRETTY, ...SELECTION, ...DELETION],
} satisfies Record<string, readonly Parameter[]>;

export const parametersOf = (verb: keyof typeof PARAMETERS): readonly Parameter[] => PARAMETERS[verb];

export const PATH_PARAMETERS: Readonly<Record<'name' | 'namespace' | 'path', string>> = {
  name: 'name of the object',
  namespace: 'object name and auth scope, such as for teams and projects',
  path: 'path to the resource',
};

/** Options that travel in the query: the fields of PodExecOptions and the like. */
export function connectParameters(options: TypeFacts | undefined): readonly Parameter[] {
  const fields = [...(options?.jsonFields.values() ?? [])];
  return fields.filter(({ name }) => name !== 'kind' && name !== 'apiVersion').map(parameterOf);
}

function parameterOf({ name, type }: FieldFacts): Parameter {
  if ('list' in type) return { name, type: 'array', description: '' };
  const scalar = 'scalar' in type ? type.scalar : 'string';
  const isWhole = scalar === 'int32' || scalar === 'int64';
  return { name, type: isWhole ? 'integer' : scalar === 'bool' ? 'boolean' : 'string', description: '' };
}
