import { facts } from '#api/generated/facts.ts';
import type { TypeFacts } from '#api/machinery/facts.ts';

/** What is known of the type of an object that says what it is; undefined for kinds that are not built in. */
export function typeOfObject(object: unknown): TypeFacts | undefined {
  const { apiVersion = '', kind = '' } = object as { apiVersion?: string; kind?: string };
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return facts.typeOfKind(group, version, kind);
}
