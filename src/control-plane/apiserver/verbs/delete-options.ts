/**
 * How a DELETE is meant: from its body, or from the query when it has none. `ignoreStoreReadErrorWithClusterBreakingPotential` is
 * not looked at: upstream forgets it while its alpha gate AllowUnsafeMalformedObjectDeletion is off. Source: meta/v1 DeleteOptions.
 */
import { type FieldError, invalidValue, notSupportedValue } from '#api/machinery/field-error.ts';
import { invalid } from '#api/machinery/status.ts';
import { decodeBody } from '../decode-object.ts';
import { wholeNumber } from '../list-options.ts';
import { isTrue } from '../request-info.ts';
import type { ResourceCall } from '../resource-call.ts';
import { dryRunErrors, isDryRun } from './write-options.ts';

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: readonly string[];
}

export const isDryRunDelete = ({ dryRun }: DeleteOptions): boolean => isDryRun(dryRun ?? []);

/** Throws BadRequest and Invalid. */
export function deleteOptionsOf({ body, info, warn }: ResourceCall): DeleteOptions {
  const options = body
    ? (decodeBody(DELETE_OPTIONS, body, { fieldValidation: 'Ignore', warn }) as DeleteOptions)
    : optionsOfQuery(info.query);
  refuseInvalidOptions(options);
  return options;
}

/** Throws Invalid. */
export function refuseInvalidOptions(options: DeleteOptions): void {
  const errors = errorsOf(options);
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
}

const DELETE_OPTIONS = { group: 'meta.k8s.io', version: 'v1', kind: 'DeleteOptions' };

function optionsOfQuery(query: URLSearchParams): DeleteOptions {
  const grace = query.get('gracePeriodSeconds');
  const orphan = query.get('orphanDependents');
  const policy = query.get('propagationPolicy');
  return {
    ...(grace !== null && { gracePeriodSeconds: wholeNumber(grace) }),
    ...(orphan !== null && { orphanDependents: isTrue(orphan) }),
    ...(policy !== null && { propagationPolicy: policy }),
    dryRun: query.getAll('dryRun'),
  };
}

const POLICIES = ['Background', 'Foreground', 'Orphan'];

function errorsOf({ orphanDependents, propagationPolicy, dryRun }: DeleteOptions): FieldError[] {
  const errors = [...dryRunErrors(dryRun ?? [])];
  if (propagationPolicy !== undefined && !POLICIES.includes(propagationPolicy))
    errors.push(notSupportedValue('propagationPolicy', propagationPolicy, [...POLICIES, 'nil']));
  if (propagationPolicy !== undefined && orphanDependents !== undefined)
    errors.push(
      invalidValue(
        'propagationPolicy',
        propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    );
  return errors;
}
