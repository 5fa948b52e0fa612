/** Builds `dist/` when the sources are newer. */
export declare function ensureBuilt(): void;
