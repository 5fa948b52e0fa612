/** A change of a table of the kernel's, as commands for one call of nft or iptables-restore. */
export interface Transaction {
  commands: string[];
  /** To be called when they took effect; nothing has changed until then. */
  applied(): void;
}
