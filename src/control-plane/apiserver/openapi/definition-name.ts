/** How types are called in OpenAPI documents: `io.k8s.api.core.v1.Pod`. Clients and generators know them by these names. */

const APIMACHINERY = 'io.k8s.apimachinery.pkg';

const GO_PACKAGES: Readonly<Record<string, string>> = {
  meta: `${APIMACHINERY}.apis.meta`,
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
};

/** Types with a definition, but a wire form of their own. */
export const QUANTITY = `${APIMACHINERY}.api.resource.Quantity`;
export const TIME = `${APIMACHINERY}.apis.meta.v1.Time`;
export const MICRO_TIME = `${APIMACHINERY}.apis.meta.v1.MicroTime`;
export const FIELDS_V1 = `${APIMACHINERY}.apis.meta.v1.FieldsV1`;
export const PATCH = `${APIMACHINERY}.apis.meta.v1.Patch`;
export const INT_OR_STRING = `${APIMACHINERY}.util.intstr.IntOrString`;
export const RAW_EXTENSION = `${APIMACHINERY}.runtime.RawExtension`;
export const JSON_VALUE = `${GO_PACKAGES['apiextensions']}.v1.JSON`;

/** `core.v1.Pod` → `io.k8s.api.core.v1.Pod`. */
export function definitionName(typeName: string): string {
  const group = typeName.slice(0, typeName.indexOf('.'));
  return `${GO_PACKAGES[group] ?? `io.k8s.api.${group}`}${typeName.slice(group.length)}`;
}

/** Of a custom kind: its group backwards, `com.example.stable.v1.CronTab`. */
export const customDefinitionName = ({
  group,
  version,
  kind,
}: {
  group: string;
  version: string;
  kind: string;
}): string => [...group.split('.').reverse(), version, kind].join('.');
