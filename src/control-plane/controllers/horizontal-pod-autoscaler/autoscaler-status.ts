/** The status of an autoscaler while one step writes it. */
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Said } from './recommendations.ts';

export class AutoscalerStatus {
  readonly #nowMs: number;
  #value: HorizontalPodAutoscalerStatus;

  constructor({ status }: HorizontalPodAutoscaler, nowMs: number) {
    this.#nowMs = nowMs;
    this.#value = status ?? { desiredReplicas: 0 };
  }

  get value(): HorizontalPodAutoscalerStatus {
    return this.#value;
  }

  /** Of an event-like kind: the time is that of the last change of the status, not of the reason. */
  say(type: string, status: 'True' | 'False', { reason, message }: Said): void {
    const conditions = this.#value.conditions ?? [];
    const before = conditions.find((condition) => condition.type === type);
    const changedAt = before?.status === status ? before.lastTransitionTime : timestampOf(this.#nowMs);
    const condition: HorizontalPodAutoscalerCondition = {
      type,
      status,
      ...(changedAt && { lastTransitionTime: changedAt }),
      reason,
      message,
    };
    const next = before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
    this.#value = { ...this.#value, conditions: next };
  }

  forget(type: string): void {
    const conditions = this.#value.conditions?.filter((condition) => condition.type !== type);
    if (conditions) this.#value = { ...this.#value, conditions };
  }

  /** Without `desired`, it stays what it was. */
  measured({ current, desired, metrics }: { current: number; desired?: number; metrics: MetricStatus[] }): void {
    const { lastScaleTime, conditions, desiredReplicas } = this.#value;
    this.#value = {
      ...(lastScaleTime && { lastScaleTime }),
      currentReplicas: current,
      desiredReplicas: desired ?? desiredReplicas,
      currentMetrics: metrics,
      ...(conditions && { conditions }),
    };
  }

  scaled(): void {
    this.#value = { ...this.#value, lastScaleTime: timestampOf(this.#nowMs) };
  }
}
