/** How good a node is by how much of it is in use: the three strategies of NodeResourcesFit. Source: "Resource Bin Packing". */
import type { Amounts } from '../resources.ts';
import { amountOf, COMMON_NAMES } from '../resources.ts';

export interface WeightedResource {
  name: string;
  weight: number;
}

export type ScoringStrategy =
  | { type: 'LeastAllocated' | 'MostAllocated'; resources: readonly WeightedResource[] }
  | { type: 'RequestedToCapacityRatio'; resources: readonly WeightedResource[]; shape: readonly ShapePoint[] };

/** At a utilization of so many percent the score is so much, 0…10; between two points it is in between. */
export interface ShapePoint {
  utilization: number;
  score: number;
}

const CPU_AND_MEMORY = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];
export const LEAST_ALLOCATED: ScoringStrategy = { type: 'LeastAllocated', resources: CPU_AND_MEMORY };

/**
 * 0…100 for what would be in use with the pod: what it asks for, what is in use already, and what there is. A resource that it
 * does not ask for, and not every node has, does not count.
 */
export type ResourceScorer = (asked: Amounts, before: Amounts, allocatable: Amounts) => number;

const MOST = 100;
const SCALE_OF_SHAPE = 10;

export function scorerOf(strategy: ScoringStrategy): ResourceScorer {
  const resources = strategy.resources.map(({ name, weight }) => ({
    name,
    weight,
    place: COMMON_NAMES.indexOf(name as (typeof COMMON_NAMES)[number]),
  }));
  const shaped = strategy.type === 'RequestedToCapacityRatio' ? shapedBy(strategy.shape) : undefined;
  const isMost = strategy.type === 'MostAllocated';
  return (asked, before, allocatable) => {
    let sum = 0;
    let weights = 0;
    for (let i = 0; i < resources.length; i++) {
      const { name, weight, place } = resources[i] as (typeof resources)[number];
      const isCommon = place >= 0;
      if (!isCommon && !asked.others.get(name)) continue;
      const capacity = isCommon ? (allocatable.common[place] as number) : amountOf(name, allocatable);
      if (capacity === 0) continue;
      const used = isCommon
        ? (before.common[place] as number) + (asked.common[place] as number)
        : amountOf(name, before) + amountOf(name, asked);
      const score = shaped
        ? shaped(used > capacity ? MOST : Math.floor((used * MOST) / capacity))
        : shareOf(isMost ? Math.min(used, capacity) : capacity - used, capacity);
      if (shaped && score <= 0) continue;
      sum += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return shaped ? Math.round(sum / weights) : Math.floor(sum / weights);
  };
}

const shareOf = (part: number, capacity: number): number => (part <= 0 ? 0 : Math.floor((part * MOST) / capacity));

function shapedBy(shape: readonly ShapePoint[]): (utilization: number) => number {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: score * SCALE_OF_SHAPE }));
  return (utilization) => {
    const next = points.findIndex((point) => utilization <= point.utilization);
    if (next < 0) return points.at(-1)?.score ?? 0;
    const [before, after] = [points[next - 1], points[next] as ShapePoint];
    if (!before) return after.score;
    const step = (after.score - before.score) * (utilization - before.utilization);
    return before.score + Math.trunc(step / (after.utilization - before.utilization));
  };
}
