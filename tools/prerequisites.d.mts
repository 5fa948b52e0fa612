/** The folder of the project. */
export declare const ROOT: string;
/** Builds `dist/` when the sources are newer. */
export declare function ensureBuilt(): void;
