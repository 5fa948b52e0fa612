/**
 * Templates as Go's text/template has them, for `-o go-template`: paths, `range`, `if`, `with`, variables, pipelines and the
 * functions, with kubectl's `base64decode` and `exists`. Source: documentation of text/template.
 */
import { VerbError } from '../verb-error.ts';
import { callFunction, isTrue, TemplateFailed, textOf } from './go-template-functions.ts';
import { type Block, type Expression, type Node, type Pipeline, parseGoTemplate } from './go-template-parser.ts';

export class GoTemplate {
  readonly #nodes: readonly Node[];
  readonly #source: string;
  readonly #allowMissing: boolean;

  constructor(source: string, { allowMissing }: { allowMissing: boolean }) {
    this.#source = source;
    this.#nodes = parseGoTemplate(source);
    this.#allowMissing = allowMissing;
  }

  /** Throws VerbError where the template does not fit the object. */
  print(object: unknown): string {
    try {
      const run = new Run(object, this.#allowMissing);
      run.nodes(this.#nodes, object);
      return run.out;
    } catch (error) {
      if (!(error instanceof TemplateFailed)) throw error;
      throw new VerbError(
        `error executing template ${JSON.stringify(this.#source)}: template: output: ${error.message}`,
      );
    }
  }
}

type Ended = 'break' | 'continue' | undefined;

class Run {
  out = '';
  readonly #allowMissing: boolean;
  /** The innermost last. */
  #variables: [string, unknown][];

  constructor(root: unknown, allowMissing: boolean) {
    this.#variables = [['$', root]];
    this.#allowMissing = allowMissing;
  }

  nodes(nodes: readonly Node[], dot: unknown): Ended {
    for (const node of nodes) {
      const ended = this.#node(node, dot);
      if (ended) return ended;
    }
    return undefined;
  }

  #node(node: Node, dot: unknown): Ended {
    switch (node.type) {
      case 'text':
        this.out += node.text;
        return undefined;
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0)
          this.out += value === undefined || value === null ? '<no value>' : textOf(value);
        return undefined;
      }
      case 'if':
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot);
          if (isTrue(value)) return this.nodes(node.body, node.type === 'with' ? value : dot);
          return this.nodes(node.otherwise, dot);
        });
      case 'range':
        return this.#scoped(() => this.#range(node, dot));
      default:
        return node.type;
    }
  }

  #range(node: Block<'range'>, dot: unknown): Ended {
    const { variables } = node.pipeline;
    const entries = entriesOf(this.#pipeline({ ...node.pipeline, variables: [] }, dot));
    if (entries.length === 0) return this.nodes(node.otherwise, dot);
    for (const [key, value] of entries) {
      const ended = this.#scoped(() => {
        const [first, second] = variables;
        if (second) this.#variables.push([first!, key], [second, value]);
        else if (first) this.#variables.push([first, value]);
        return this.nodes(node.body, value);
      });
      if (ended === 'break') break;
    }
    return undefined;
  }

  #scoped(run: () => Ended): Ended {
    const depth = this.#variables.length;
    try {
      return run();
    } finally {
      this.#variables.length = depth;
    }
  }

  #pipeline({ commands, variables, isAssignment }: Pipeline, dot: unknown): unknown {
    let value: unknown;
    for (const [index, command] of commands.entries()) value = this.#command(command, dot, index > 0 ? [value] : []);
    for (const name of variables) this.#set(name, value, isAssignment);
    return value;
  }

  #set(name: string, value: unknown, isAssignment: boolean): void {
    if (!isAssignment) {
      this.#variables.push([name, value]);
      return;
    }
    const known = this.#variables.findLast(([one]) => one === name);
    if (!known) throw new TemplateFailed(`undefined variable ${JSON.stringify(name)}`);
    known[1] = value;
  }

  /** `piped`: what came before it in the pipeline; its last argument. */
  #command(words: readonly Expression[], dot: unknown, piped: readonly unknown[]): unknown {
    const [first, ...rest] = words;
    if (first!.type !== 'function') {
      if (rest.length + piped.length > 0) throw new TemplateFailed("can't give argument to non-function");
      return this.#value(first!, dot);
    }
    const { name } = first!;
    if (name === 'and' || name === 'or') {
      // The rest is not looked at once the answer is known.
      const given = [...rest.map((word) => () => this.#value(word, dot)), ...piped.map((value) => () => value)];
      let value: unknown;
      for (const each of given) {
        value = each();
        if (isTrue(value) === (name === 'or')) break;
      }
      return value;
    }
    return callFunction(name, [...rest.map((word) => this.#value(word, dot)), ...piped]);
  }

  #value(expression: Expression, dot: unknown): unknown {
    switch (expression.type) {
      case 'literal':
        return expression.value;
      case 'dot':
        return this.#fields(dot, expression.fields);
      case 'variable': {
        const known = this.#variables.findLast(([name]) => name === expression.name);
        if (!known) throw new TemplateFailed(`undefined variable ${JSON.stringify(expression.name)}`);
        return this.#fields(known[1], expression.fields);
      }
      case 'pipeline':
        return this.#fields(this.#pipeline(expression.pipeline, dot), expression.fields);
      default:
        return callFunction(expression.name, []);
    }
  }

  #fields(start: unknown, fields: readonly string[]): unknown {
    let value = start;
    for (const field of fields) {
      if (value === undefined) return undefined; // of what is not there nothing is there
      if (value === null) throw new TemplateFailed(`nil pointer evaluating interface {}.${field}`);
      if (typeof value !== 'object' || Array.isArray(value))
        throw new TemplateFailed(`can't evaluate field ${field} in type interface {}`);
      value = Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined;
      if (value === undefined && !this.#allowMissing)
        throw new TemplateFailed(`map has no entry for key ${JSON.stringify(field)}`);
    }
    return value;
  }
}

function entriesOf(value: unknown): [unknown, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return [...value.entries()];
  if (typeof value === 'object') return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  throw new TemplateFailed(`range can't iterate over ${textOf(value)}`);
}
