/** Whether a container that has ended runs again: by its own rules, its own policy, or its pod's. Source: KEP-5307. */
import type { Container, Pod } from '#api/generated/schema.ts';

export function mayRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const { restartPolicy, restartPolicyRules = [] } = container;
  if (restartPolicy) {
    const rule = restartPolicyRules.find(({ exitCodes }) => {
      const isListed = exitCodes?.values?.includes(exitCode) ?? false;
      return exitCodes !== undefined && (exitCodes.operator === 'In' ? isListed : !isListed);
    });
    if (rule?.action === 'Restart') return true;
  }
  switch (restartPolicy ?? pod.spec.restartPolicy) {
    case 'Always':
      return true;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return false;
  }
}
