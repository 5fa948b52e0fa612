/** The path of a program of the development package with kubectl and helm; undefined where there is none for this machine. */
export function packagedKubectl(program?: 'kubectl' | 'helm'): string | undefined;
