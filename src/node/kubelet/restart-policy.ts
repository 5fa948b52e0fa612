/** Whether a container that has ended runs again: by its own rules, its own policy, or its pod's. Source: KEP-5307. */
import type { Container, ContainerRestartRule, Pod } from '#api/generated/schema.ts';

export function mayRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const { restartPolicy } = container;
  if (restartPolicy && ruleFor(container, exitCode)) return true; // by itself, or with all of its pod
  switch (restartPolicy ?? pod.spec.restartPolicy) {
    case 'Always':
      return true;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return false;
  }
}

/** The first that fits how it ended. */
export const ruleFor = ({ restartPolicyRules }: Container, exitCode: number): ContainerRestartRule | undefined =>
  restartPolicyRules?.find(({ exitCodes }) => {
    const isListed = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes !== undefined && (exitCodes.operator === 'In' ? isListed : !isListed);
  });
