/** What was asked of a node cannot be, for a reason that its owner can understand. */
export class NodeRefused extends Error {
  readonly code = 'NodeRefused';
}
