/** What is wrong in a Dockerfile, with its place: `Dockerfile:7: …`. */
export class DockerfileProblem extends Error {
  readonly code = 'DockerfileProblem';

  constructor({ file, line }: Place, message: string) {
    super(`${file}:${line}: ${message}`);
  }
}

export interface Place {
  file: string;
  line: number;
}
