/** The auditAnnotations of policies: bindings of one policy that give a key several values have them joined. */
import type { AdmissionRequest } from '../define-admission.ts';

const MAX_BYTES = 10 * 1024;

export class AnnotationCollector {
  readonly #values = new Map<string, Set<string>>();

  add(policy: string, key: string, value: string): void {
    const name = `${policy}/${key}`;
    const cut = Buffer.byteLength(value) > MAX_BYTES ? Buffer.from(value).subarray(0, MAX_BYTES).toString() : value;
    const values = this.#values.get(name);
    if (values) values.add(cut);
    else this.#values.set(name, new Set([cut]));
  }

  publish({ annotate }: AdmissionRequest): void {
    for (const [name, values] of this.#values) annotate?.(name, [...values].join(', '));
  }
}
