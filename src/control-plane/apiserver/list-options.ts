/**
 * The query of list, watch and deletecollection, as the watch cache understands it. Source: API concepts, "Resource
 * versions"; meta/v1 ListOptions; texts of apimachinery's validation.
 */
import { type FieldError, forbiddenField, notSupportedValue } from '#api/machinery/field-error.ts';
import { type FieldRequirement, matchesFields, parseFieldSelector } from '#api/machinery/field-selector.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { isEverything, matchesLabels, parseLabelSelector, type Selector } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, invalid } from '#api/machinery/status.ts';
import type { Revision } from '#control-plane/storage/storage.ts';
import { formOf } from './registry/caches.ts';
import { isTrue } from './request-info.ts';
import type { Freshness, ListOptions, Selection } from './watch-cache/watch-cache.ts';

/** '' where the query says nothing. */
interface RawListOptions {
  resourceVersion: string;
  resourceVersionMatch: string;
  continue: string;
  limit: number;
  sendInitialEvents: boolean | undefined;
  allowWatchBookmarks: boolean;
  timeoutSeconds: number | undefined;
}

/** Throws Invalid and BadRequest. */
export function listOptionsOf(kind: Kind, at: { query: URLSearchParams; namespace: string }): ListOptions {
  const raw = rawOptions(at.query);
  refuse(listErrors(raw));
  return {
    ...selectionOf(kind, at),
    freshness: freshnessOf(raw),
    ...(raw.limit > 0 && { limit: raw.limit }),
    ...(raw.continue && { continue: raw.continue }),
  };
}

export interface WatchRequestOptions {
  selection: Selection;
  /** Whether the present objects come first, as ADDED; undefined resourceVersion rules apply. */
  initialEvents: boolean;
  /** The bookmark behind the initial events is asked for. */
  initialEventsEnd: boolean;
  bookmarks: boolean;
  /** How new the present must be, or after which revision changes are wanted. */
  from: 'newest' | 'any' | Revision;
  timeoutSeconds: number | undefined;
}

export function watchOptionsOf(kind: Kind, at: { query: URLSearchParams; namespace: string }): WatchRequestOptions {
  const raw = rawOptions(at.query);
  refuse(watchErrors(raw));
  const from =
    raw.resourceVersion === '' ? 'newest' : raw.resourceVersion === '0' ? 'any' : revisionOf(raw.resourceVersion);
  return {
    selection: selectionOf(kind, at),
    initialEvents: raw.sendInitialEvents ?? typeof from === 'string',
    initialEventsEnd: raw.sendInitialEvents === true && raw.allowWatchBookmarks,
    bookmarks: raw.allowWatchBookmarks,
    from,
    timeoutSeconds: raw.timeoutSeconds,
  };
}

function rawOptions(query: URLSearchParams): RawListOptions {
  const send = query.get('sendInitialEvents');
  const timeoutSeconds = query.get('timeoutSeconds');
  return {
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    continue: query.get('continue') ?? '',
    limit: wholeNumber(query.get('limit') ?? ''),
    sendInitialEvents: send === null ? undefined : isTrue(send),
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    timeoutSeconds: timeoutSeconds ? wholeNumber(timeoutSeconds) : undefined,
  };
}

/** Of a query; '' is 0. Throws BadRequest, as all that decode a query do. */
export function wholeNumber(text: string): number {
  if (text === '') return 0;
  if (!/^[+-]?\d{1,15}$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Throws BadRequest. */
export function revisionOf(resourceVersion: string): Revision {
  if (/^\d{1,16}$/.test(resourceVersion)) return Number(resourceVersion);
  const value = JSON.stringify(resourceVersion);
  throw badRequest(`resourceVersion: Invalid value: ${value}: strconv.ParseUint: parsing ${value}: invalid syntax`);
}

function freshnessOf(raw: RawListOptions): Freshness {
  const { resourceVersion, resourceVersionMatch } = raw;
  if (raw.continue && resourceVersion && resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  if (resourceVersion === '') return 'newest';
  if (resourceVersion === '0') return 'any';
  const revision = revisionOf(resourceVersion);
  const isExact = resourceVersionMatch === 'Exact' || (resourceVersionMatch === '' && raw.limit > 0);
  return isExact ? { exact: revision } : { notOlderThan: revision };
}

const refuse = (errors: FieldError[]): void => {
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
};

function listErrors({ resourceVersionMatch: match, ...raw }: RawListOptions): FieldError[] {
  const errors: FieldError[] = [];
  if (raw.sendInitialEvents !== undefined)
    errors.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  if (!match) return errors;
  const at = 'resourceVersionMatch';
  if (!raw.resourceVersion)
    errors.push(forbiddenField(at, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  if (raw.continue) errors.push(forbiddenField(at, 'resourceVersionMatch is forbidden when continue is provided'));
  if (match !== 'Exact' && match !== 'NotOlderThan')
    errors.push(notSupportedValue(at, match, ['Exact', 'NotOlderThan', '']));
  if (match === 'Exact' && raw.resourceVersion === '0')
    errors.push(forbiddenField(at, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  return errors;
}

function watchErrors({ resourceVersionMatch: match, ...raw }: RawListOptions): FieldError[] {
  const errors: FieldError[] = [];
  const at = 'resourceVersionMatch';
  if (raw.sendInitialEvents !== undefined && match !== 'NotOlderThan')
    errors.push(forbiddenField(at, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (!match) return errors;
  if (raw.sendInitialEvents === undefined)
    errors.push(forbiddenField(at, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
  if (match !== 'NotOlderThan') errors.push(notSupportedValue(at, match, ['NotOlderThan']));
  if (raw.continue) errors.push(forbiddenField(at, 'resourceVersionMatch is forbidden when continue is provided'));
  return errors;
}

/** Names, one indexed field and the rest as a predicate. Throws BadRequest for selectors that make no sense. */
export function selectionOf(
  kind: Kind,
  { query, namespace }: { query: URLSearchParams; namespace: string },
): Selection {
  const labelText = query.get('labelSelector') ?? '';
  const fieldText = query.get('fieldSelector') ?? '';
  if (!labelText && !fieldText) return namespace && kind.scope === 'Namespaced' ? { namespace } : {};
  const labels = labelSelectorOf(labelText);
  const fields = [...fieldSelectorOf(kind, fieldText)];
  const name = takeEquality(fields, 'metadata.name');
  const within = namespace || takeEquality(fields, 'metadata.namespace');
  // An index reads hub objects by fields that stay: other versions and custom kinds are compared as they show themselves.
  const indexed =
    kind.hub || !kind.facts ? undefined : fields.find(({ operator, field }) => operator === '=' && !isMeta(field));
  const rest = fields.filter((requirement) => requirement !== indexed);
  return {
    ...(kind.scope === 'Namespaced' && within && { namespace: within }),
    ...(name && { name }),
    ...(indexed && { where: { field: indexed.field, equals: indexed.value } }),
    ...((rest.length > 0 || !isEverything(labels)) && {
      match: (candidate) => isSelected(kind, candidate.object(formOf(kind)), { labels, fields: rest }),
    }),
  };
}

function isSelected(
  kind: Kind,
  object: KubeObject,
  { labels, fields }: { labels: Selector; fields: readonly FieldRequirement[] },
): boolean {
  return (
    matchesLabels(labels, object.metadata.labels) && matchesFields(fields, (field) => fieldValue(kind, object, field))
  );
}

export function fieldValue(kind: Kind, object: KubeObject, field: string): string | undefined {
  if (field === 'metadata.name') return object.metadata.name;
  if (field === 'metadata.namespace') return object.metadata.namespace ?? '';
  return Object.hasOwn(kind.selectableFields, field) ? kind.selectableFields[field]!(object) : undefined;
}

const isMeta = (field: string): boolean => field === 'metadata.name' || field === 'metadata.namespace';

function takeEquality(fields: FieldRequirement[], field: string): string {
  const at = fields.findIndex((requirement) => requirement.field === field && requirement.operator === '=');
  if (at < 0 || !fields[at]!.value) return '';
  return fields.splice(at, 1)[0]!.value;
}

function labelSelectorOf(text: string): Selector {
  const parsed = parseLabelSelector(text);
  if (!parsed.ok) throw badRequest(parsed.error);
  return parsed.value;
}

function fieldSelectorOf(kind: Kind, text: string): readonly FieldRequirement[] {
  const parsed = parseFieldSelector(text);
  if (!parsed.ok) throw badRequest(parsed.error);
  for (const { field } of parsed.value) {
    if (isMeta(field) || Object.hasOwn(kind.selectableFields, field)) continue;
    throw badRequest(refusalOfField(kind, field));
  }
  return parsed.value;
}

/** Each conversion of upstream's has its own words. */
function refusalOfField({ selectableFields, unselectableField }: Kind, field: string): string {
  if (Object.keys(selectableFields).length === 0)
    return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
  return unselectableField?.(field) ?? `field label not supported: ${field}`;
}
