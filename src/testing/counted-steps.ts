/** A controller of whose steps a test is told: to see what one is looked at for, and what not. */
import type { KindController } from '#control-plane/controllers/define-controller.ts';

export interface CountedSteps {
  controller: KindController;
  /** The keys of the steps, in their order; of those that are gone as well. */
  steps: string[];
}

export function countedSteps(controller: KindController): CountedSteps {
  const steps: string[] = [];
  const begin: KindController['begin'] = () => {
    const spec = controller.begin();
    const { gone } = spec;
    return {
      ...spec,
      reconcile(object, context) {
        steps.push(context.key);
        return spec.reconcile(object, context);
      },
      ...(gone && {
        gone(context) {
          steps.push(`${context.key} is gone`);
          return gone(context);
        },
      }),
    };
  };
  return { controller: { ...controller, begin }, steps };
}
