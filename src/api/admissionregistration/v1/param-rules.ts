/** The parameters of policies. Source: API reference, ParamKind and ParamRef; texts as upstream. */
import type * as schema from '#api/generated/schema.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1035Label, dns1123Subdomain, pathSegment } from '#api/machinery/names.ts';

export function validateParamKind(
  { apiVersion = '', kind = '' }: schema.ParamKind,
  at: At<schema.ParamKind>,
): FieldError[] {
  const kindComplaints = dns1035Label(kind.toLowerCase());
  return [
    ...apiVersionErrors(apiVersion, at.apiVersion),
    ...(kind ? [] : [requiredValue(at.kind)]),
    ...(kind && kindComplaints.length > 0
      ? [invalidValue(at.kind, kind, `may have mixed case, but should otherwise match: ${kindComplaints.join(',')}`)]
      : []),
  ];
}

function apiVersionErrors(apiVersion: string, at: At<string>): FieldError[] {
  if (!apiVersion) return [requiredValue(at)];
  const parts = apiVersion === '/' ? [''] : apiVersion.split('/');
  if (parts.length > 2) return [invalidValue(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const [version = '', group = ''] = parts.reverse();
  const invalid = (value: string, complaints: string[]) =>
    complaints.length > 0 ? [invalidValue(at, value, complaints.join(','))] : [];
  return [
    ...(group ? invalid(group, dns1123Subdomain(group)) : []),
    ...(version
      ? invalid(version, dns1035Label(version))
      : [invalidValue(at, apiVersion, 'version must be specified')]),
  ];
}

const EXCLUSIVE = 'name and selector are mutually exclusive';

/** A parameter is one object by its name, or some by their labels. */
export function validateParamRef(ref: schema.ParamRef, at: At<schema.ParamRef>): FieldError[] {
  const { name, selector, parameterNotFoundAction: action } = ref;
  const isBoth = Boolean(name && selector);
  return [
    ...(name ? follows(at.name, name, pathSegment) : []),
    ...(isBoth ? [forbiddenField(at.name, EXCLUSIVE)] : []),
    ...(selector ? validateLabelSelector(selector, at.selector) : []),
    ...(isBoth ? [forbiddenField(at.selector, EXCLUSIVE)] : []),
    ...(name || selector ? [] : [requiredValue(at, 'one of name or selector must be specified')]),
    ...(action ? [] : [requiredValue(at.parameterNotFoundAction)]),
    ...(action && action !== 'Deny' && action !== 'Allow'
      ? [notSupportedValue(at.parameterNotFoundAction, action, ['Deny', 'Allow'])]
      : []),
  ];
}
