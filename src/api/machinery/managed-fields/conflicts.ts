/** An apply that would take what others set. Texts: apimachinery, managedfields NewConflictError. */
import { StatusError } from '../status.ts';
import { type FieldSet, pathsOf } from './field-set.ts';
import type { Manager } from './managers.ts';

export interface Conflict {
  with: Manager;
  set: FieldSet;
}

/** 409, one cause a field. */
export function applyConflict(conflicts: readonly Conflict[]): StatusError {
  const places = conflicts.flatMap(({ with: owner, set }) =>
    pathsOf(set).map((path) => ({ owner: ownerText(owner), path })),
  );
  const causes = places.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${owner}`,
    field: path,
  }));
  return new StatusError('Conflict', messageOf(places), { details: { causes } });
}

function messageOf(places: readonly { owner: string; path: string }[]): string {
  const [first, ...more] = places;
  if (first && more.length === 0) return `Apply failed with 1 conflict: conflict with ${first.owner}: ${first.path}`;
  const owners = [...new Set(places.map(({ owner }) => owner))].sort();
  const lines = owners.flatMap((owner) => [
    `conflicts with ${owner}:`,
    ...places.filter((place) => place.owner === owner).map(({ path }) => `- ${path}`),
  ]);
  return `Apply failed with ${places.length} conflicts: ${lines.join('\n')}`;
}

function ownerText({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = JSON.stringify(manager) + (subresource && ` with subresource ${JSON.stringify(subresource)}`);
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
