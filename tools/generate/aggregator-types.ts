/**
 * apiregistration.k8s.io/v1: the one group that no published binary holds, so its struct facts stand here by hand.
 * Source: kube-aggregator v1.36, pkg/apis/apiregistration/v1, types and protobuf numbers.
 */
import type { GoField, GoType } from './go-types.ts';

type Struct = GoType & { kind: 'struct' };

const PACKAGE = 'k8s.io/kube-aggregator/pkg/apis/apiregistration/v1';

/** The structs by `packagePath.Name`; `known` gives those of apimachinery. */
export function aggregatorStructs(known: ReadonlyMap<string, Struct>): Map<string, Struct> {
  const meta = (name: string): Struct => known.get(`k8s.io/apimachinery/pkg/apis/meta/v1.${name}`)!;
  const typeMeta: GoField = { name: 'TypeMeta', type: meta('TypeMeta'), tag: 'json:",inline"', embedded: true };
  const metadata = (name: string) => field('metadata', meta(name), 1);

  const reference = struct('ServiceReference', [
    field('namespace', STRING, 1),
    field('name', STRING, 2),
    field('port', pointer(INT32), 3),
  ]);
  const condition = struct('APIServiceCondition', [
    field('type', STRING, 1, { required: true }),
    field('status', STRING, 2, { required: true }),
    field('lastTransitionTime', meta('Time'), 3),
    field('reason', STRING, 4),
    field('message', STRING, 5),
  ]);
  const spec = struct('APIServiceSpec', [
    field('service', pointer(reference), 1),
    field('group', STRING, 2),
    field('version', STRING, 3),
    field('insecureSkipTLSVerify', BOOL, 4),
    field('caBundle', slice(BYTE), 5),
    field('groupPriorityMinimum', INT32, 7, { required: true }),
    field('versionPriority', INT32, 8, { required: true }),
  ]);
  const status = struct('APIServiceStatus', [
    field('conditions', slice(condition), 1, { extra: ' patchStrategy:"merge" patchMergeKey:"type"' }),
  ]);
  const service = struct('APIService', [
    typeMeta,
    metadata('ObjectMeta'),
    field('spec', spec, 2),
    field('status', status, 3),
  ]);
  const list = struct('APIServiceList', [
    typeMeta,
    metadata('ListMeta'),
    field('items', slice(service), 2, { required: true }),
  ]);
  return new Map([reference, condition, spec, status, service, list].map((type) => [`${PACKAGE}.${type.name}`, type]));
}

const basic = (name: string): GoType => ({ kind: 'basic', name, basic: name });
const STRING = basic('string');
const BOOL = basic('bool');
const INT32 = basic('int32');
const BYTE = basic('uint8');
const pointer = (element: GoType): GoType => ({ kind: 'pointer', name: '', element });
const slice = (element: GoType): GoType => ({ kind: 'slice', name: '', element });
const struct = (name: string, fields: GoField[]): Struct => ({ kind: 'struct', name, packagePath: PACKAGE, fields });

function field(name: string, type: GoType, number: number, { required = false, extra = '' } = {}): GoField {
  const json = required ? name : `${name},omitempty`;
  return { name, type, embedded: false, tag: `json:"${json}" protobuf:"bytes,${number},opt,name=${name}"${extra}` };
}
