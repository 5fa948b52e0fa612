/** `kubectl get componentstatuses`: what the control plane says of its parts, asked at the time of the request. */
import type { ComponentStatus } from '#api/generated/schema.ts';
import { notFound } from '#api/machinery/status.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import type { Behaviour } from './behaviour.ts';

export interface ComponentCheck {
  /** `etcd-0`, `scheduler`, `controller-manager`. */
  name: string;
  /** Resolves with what it has to say (`ok`); throws when it is not healthy. */
  check(): Promise<string>;
}

const RESOURCE = { group: '', plural: 'componentstatuses' };

export function componentStatusBehaviour(checks: readonly ComponentCheck[]): Behaviour {
  return {
    ...RESOURCE,
    verbs: {
      async list({ kind }: ResourceCall): Promise<Reply> {
        const items = await Promise.all(checks.map(statusOf));
        const list = { kind: 'ComponentStatusList', apiVersion: 'v1', metadata: {}, items };
        return { code: 200, list, items, kind };
      },
      async get({ kind, info }: ResourceCall): Promise<Reply> {
        const check = checks.find(({ name }) => name === info.name);
        if (!check) throw notFound(RESOURCE, info.name);
        return { code: 200, object: await statusOf(check), kind };
      },
    },
  };
}

async function statusOf({ name, check }: ComponentCheck): Promise<ComponentStatus> {
  const condition = await check().then(
    (message) => ({ type: 'Healthy', status: 'True', message }),
    (error: Error) => ({ type: 'Healthy', status: 'False', message: error.message, error: error.message }),
  );
  const metadata = { name } as ComponentStatus['metadata'];
  return { kind: 'ComponentStatus', apiVersion: 'v1', metadata, conditions: [condition] };
}
