/** ComponentStatus: how the parts of the control plane are. Asked for, never stored; deprecated since v1.19. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';

export type ComponentStatus = schema.ComponentStatus;

const health = ({ conditions = [] }: schema.ComponentStatus) => conditions.find(({ type }) => type === 'Healthy');

export const ComponentStatus = defineKind<schema.ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  scope: 'Cluster',
  shortNames: ['cs'],
  verbs: ['get', 'list'],
  virtual: true,
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: [
    nameColumn(),
    column('Status', 'string', (component) => {
      const status = health(component)?.status;
      return status === 'True' ? 'Healthy' : status === 'False' ? 'Unhealthy' : 'Unknown';
    }),
    column('Message', 'string', (component) => health(component)?.message ?? ''),
    column('Error', 'string', (component) => health(component)?.error ?? ''),
  ],
});
