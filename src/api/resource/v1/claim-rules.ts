/** What claims and their templates have in common. Source: API reference, resource.k8s.io/v1. */
import type { DeviceRequest, ResourceClaimSpec, Submitted } from '#api/generated/schema.ts';
import { duplicateValue, type FieldError, forbiddenField, requiredValue, tooMany } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isAbove, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';

const MAX_REQUESTS = 32;

/** One device, unless all or a number are asked for. */
export const defaultClaimSpec = (spec: Submitted<ResourceClaimSpec> = {}): ResourceClaimSpec =>
  ({
    ...spec,
    ...(spec.devices && {
      devices: {
        ...spec.devices,
        ...(spec.devices.requests && {
          requests: spec.devices.requests.map((request) => ({
            ...request,
            ...(request.exactly && { exactly: withCount(request.exactly) }),
            ...(request.firstAvailable && { firstAvailable: request.firstAvailable.map(withCount) }),
          })),
        }),
      },
    }),
  }) as ResourceClaimSpec;

function withCount<T extends { allocationMode?: string; count?: number }>(request: T): T {
  const allocationMode = request.allocationMode || 'ExactCount';
  return { ...request, allocationMode, ...(allocationMode === 'ExactCount' && { count: request.count || 1 }) };
}

export function validateClaimSpec({ devices }: ResourceClaimSpec, at: At<ResourceClaimSpec>): FieldError[] {
  const requests = devices?.requests ?? [];
  const errors = requests.length > MAX_REQUESTS ? [tooMany(at.devices.requests, requests.length, MAX_REQUESTS)] : [];
  return [
    ...errors,
    ...requests.flatMap((request, index) => [
      ...validateRequest(request, at.devices.requests[index]!),
      ...(requests.findIndex(({ name }) => name === request.name) < index
        ? [duplicateValue(at.devices.requests[index]!.name, request.name)]
        : []),
    ]),
  ];
}

function validateRequest(request: DeviceRequest, at: At<DeviceRequest>): FieldError[] {
  const errors = request.name ? follows(at.name, request.name, dns1123Label) : [requiredValue(at.name)];
  const { exactly, firstAvailable } = request;
  if (exactly && firstAvailable?.length)
    return [
      ...errors,
      forbiddenField(at, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set'),
    ];
  if (!exactly && !firstAvailable?.length)
    return [...errors, requiredValue(at, 'exactly one of `exactly` or `firstAvailable` is required')];
  if (!exactly) return errors;
  return [
    ...errors,
    ...(exactly.deviceClassName
      ? follows(at.exactly.deviceClassName, exactly.deviceClassName, dns1123Subdomain)
      : [requiredValue(at.exactly.deviceClassName)]),
    ...isOneOf(at.exactly.allocationMode, exactly.allocationMode, ['All', 'ExactCount']),
    ...(exactly.allocationMode === 'ExactCount' ? isAbove(at.exactly.count, exactly.count, 0) : []),
  ];
}
