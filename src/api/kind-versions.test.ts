/** One thing in two versions: stored in one form, shown in the form that was asked for. */
import { describe, expect, test } from 'vitest';
import { submitted } from '#testing/submitted-object.ts';
import type * as schema from './generated/schema.ts';

describe('two versions of one thing', () => {
  test('an event is stored in one form and comes back in the form of its group', () => {
    const { kind, object } = submitted<schema.EventsV1Event>('events.k8s.io/v1', 'Event', {
      regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
      note: 'hello',
      reportingController: 'example.com/c',
      deprecatedCount: 2,
      eventTime: '2026-01-01T00:00:00.000000Z',
    });
    const stored = kind.hub!.toHub(object);
    expect(stored).toMatchObject({
      apiVersion: 'v1',
      involvedObject: { name: 'web' },
      message: 'hello',
      reportingComponent: 'example.com/c',
      count: 2,
    });
    expect(kind.hub!.fromHub(stored)).toEqual(object);
  });

  test('an autoscaler of v1 loses nothing on the way to v2 and back', () => {
    const { kind, object } = submitted<schema.HorizontalPodAutoscalerV1>('autoscaling/v1', 'HorizontalPodAutoscaler', {
      metadata: { annotations: { a: 'b' } },
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 5, targetCPUUtilizationPercentage: 70 },
    });
    const { hub } = kind;
    const stored = hub!.toHub(object) as schema.HorizontalPodAutoscaler;
    expect(stored.spec.metrics).toEqual([
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
    ]);
    expect(hub!.fromHub(stored)).toMatchObject({ spec: object.spec, metadata: { annotations: { a: 'b' } } });

    const pods = { type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } } };
    const rich = { ...stored, spec: { ...stored.spec, metrics: [pods, ...stored.spec.metrics], behavior: {} } };
    expect(hub!.toHub(hub!.fromHub(rich))).toEqual(rich);
  });

  test('an autoscaler of v1 may not aim at nothing', () => {
    const { kind, object } = submitted<schema.HorizontalPodAutoscalerV1>('autoscaling/v1', 'HorizontalPodAutoscaler', {
      metadata: { name: 'a', namespace: 'b' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        maxReplicas: 5,
        targetCPUUtilizationPercentage: 0,
      },
    });
    expect(kind.validate(object).map(({ field, message }) => `${field}: ${message}`)).toEqual([
      'spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0',
    ]);
  });
});
