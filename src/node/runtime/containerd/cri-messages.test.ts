import protobuf from 'protobufjs/light.js';
import { expect, test } from 'vitest';
import { codecOf, enumsJson, messagesJson } from '#node/runtime/message-table.ts';
import { criEnums, criMessages } from './cri-messages.ts';
import { containerStatus } from './replies.ts';

const ours = protobuf.Root.fromJSON({ nested: { ...enumsJson(criEnums), ...messagesJson(criMessages) } });
// As runtime/v1/api.proto has them: what a runtime of today reads.
const theirs = protobuf.Root.fromJSON({
  nested: messagesJson({
    IDMapping: 'host_id uint32 1, container_id uint32 2, length uint32 3',
    UserNamespace: 'mode int32 1, uids IDMapping* 2, gids IDMapping* 3',
    NamespaceOption: 'network int32 1, pid int32 2, ipc int32 3, target_id string 4, userns_options UserNamespace 5',
    Mount:
      'container_path string 1, host_path string 2, readonly bool 3, selinux_relabel bool 4, propagation int32 5, ' +
      'uidMappings IDMapping* 6, gidMappings IDMapping* 7, recursive_read_only bool 8',
  }),
});
const asRead = (type: string, message: object) =>
  theirs.lookupType(type).toObject(theirs.lookupType(type).decode(codecOf(ours.lookupType(type)).serialize(message)));

const mapping = { hostId: 4_294_901_760, containerId: 0, length: 65_536 };
const read = { host_id: 4_294_901_760, container_id: 0, length: 65_536 };

test.each([
  ['POD', 0],
  ['NODE', 2],
])('users of the mode %s reach the runtime', (mode, number) => {
  const usernsOptions = { mode, uids: [mapping], gids: [mapping] };
  expect(asRead('NamespaceOption', { network: 'POD', pid: 'CONTAINER', ipc: 'POD', usernsOptions })).toMatchObject({
    userns_options: { mode: number, uids: [read], gids: [read] },
  });
});

test('whose files are whose in a mount reaches the runtime', () => {
  const mount = { containerPath: '/data', hostPath: '/d', uidMappings: [mapping], gidMappings: [mapping] };
  expect(asRead('Mount', mount)).toEqual({
    container_path: '/data',
    host_path: '/d',
    uidMappings: [read],
    gidMappings: [read],
  });
});

test('as whom a container began is read as upstream’s api.proto numbers it, and absent where a runtime does not say', () => {
  const codec = codecOf(ours.lookupType('ContainerStatus'));
  // 18: { 1: { uid: 1, gid: 2, supplementalGroups: [3, 4] } }
  const told = codec.deserialize(Buffer.from('92010a0a08080110021a020304', 'hex'));
  expect(containerStatus(told).user).toEqual({ uid: 1, gid: 2, supplementalGroups: [3, 4] });
  expect(containerStatus(codec.deserialize(Buffer.alloc(0)))).not.toHaveProperty('user');
});
