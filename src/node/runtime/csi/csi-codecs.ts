/** The messages of each CSI call as bytes and back; for a client as for a driver. */
import protobuf from 'protobufjs/light.js';
import { type Codec, codecOf, enumsJson, messagesJson } from '#node/runtime/message-table.ts';
import { type CsiCall, csiCalls, csiEnums, csiMessages, registrationMessages } from './csi-messages.ts';

let types: protobuf.Root | undefined;

export function csiCodecs(call: CsiCall): { path: string; request: Codec; response: Codec } {
  types ??= protobuf.Root.fromJSON({
    nested: {
      csi: { nested: { v1: { nested: { ...enumsJson(csiEnums), ...messagesJson(csiMessages) } } } },
      pluginregistration: { nested: messagesJson(registrationMessages) },
    },
  });
  const { path, request, response } = csiCalls[call];
  return { path, request: codecOf(types.lookupType(request)), response: codecOf(types.lookupType(response)) };
}
