/** The folder of the project. */
export declare const ROOT: string;
/** The version of the newest LTS that is tested and measured beside the oldest Node.js. */
export declare const NEWER_NODE: string;
/** @returns the program of that Node.js, installed under .cache when it is not there. */
export declare function newerNode(): string;
/** Builds `dist/` when the sources are newer. */
export declare function ensureBuilt(): void;
