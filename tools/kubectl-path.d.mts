/** Minor versions of kubectl that are there, oldest first. */
export declare const KUBECTL_MINORS: readonly number[];
/** The path of a program of a development package with kubectl and helm; undefined where there is none for this machine. */
export function packagedKubectl(program?: 'kubectl' | 'helm', minor?: number): string | undefined;
