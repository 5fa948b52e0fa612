/** What an emptyDir is made of: a folder, memory, or huge pages. Texts are upstream's. */
import type { EmptyDirVolumeSource, Pod } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import { podCgroupLimits } from '../quality-of-service.ts';

export type Medium =
  | { is: 'disk' }
  | { is: 'memory'; sizeBytes: number | undefined }
  | { is: 'hugepages'; pageSize: string };

const HUGE = 'HugePages';

/** @param allocatable the node's memory for pods. @throws Error for a medium that cannot be had */
export function mediumOf(
  pod: Pod,
  { medium = '', sizeLimit }: EmptyDirVolumeSource,
  allocatable: string | undefined,
): Medium {
  if (medium === '') return { is: 'disk' };
  if (medium === 'Memory') return { is: 'memory', sizeBytes: memorySize(pod, allocatable, sizeLimit) };
  if (medium !== HUGE && !medium.startsWith(`${HUGE}-`)) throw new Error(`unknown storage medium "${medium}"`);
  return { is: 'hugepages', pageSize: pageSizeOf(pod, medium) };
}

/** No more than the pod may use, nor than the node has for pods. undefined: as much as the kernel gives. */
export function memorySize(pod: Pod, allocatable: string | undefined, sizeLimit?: string): number | undefined {
  const most = allocatable === undefined ? Number.POSITIVE_INFINITY : quantityValue(allocatable);
  const wanted = [podCgroupLimits(pod).memoryBytes ?? 0, sizeLimit ? quantityValue(sizeLimit) : 0];
  const size = Math.min(most, ...wanted.filter((bytes) => bytes > 0));
  return Number.isFinite(size) ? size : undefined;
}

/** By the huge pages that the pod asks for: without a size they must be of one. */
function pageSizeOf({ spec }: Pod, medium: string): string {
  const lists = [spec, ...spec.containers, ...(spec.initContainers ?? [])].map(({ resources }) => resources?.requests);
  const asked = lists
    .flatMap((requests) => Object.keys(requests ?? {}))
    .filter((name) => name.startsWith('hugepages-'));
  const sizes = new Map(
    asked.map((name) => name.slice('hugepages-'.length)).map((size) => [quantityValue(size), size]),
  );
  if (medium === HUGE && sizes.size > 1)
    throw new Error(`medium: ${medium} can't be used if container requests multiple huge page sizes`);
  const wanted = medium === HUGE ? [...sizes.keys()][0] : quantityValue(medium.slice(HUGE.length + 1));
  const found = wanted === undefined ? undefined : sizes.get(wanted);
  if (found === undefined)
    throw new Error(`medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`);
  return found;
}
