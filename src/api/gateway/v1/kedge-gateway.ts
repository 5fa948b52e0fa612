/** The class of Gateways that every cluster with real nodes serves itself. */
export const GATEWAY_CLASS = 'kedge';
export const GATEWAY_CONTROLLER = 'kedge.dev/gateway';
