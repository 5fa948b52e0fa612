/** How long one request waited for others than this server: milliseconds, of the metrics and the audit log. */
export interface TimeElsewhere {
  /** For its turn, by priority and fairness. */
  queuedMs: number;
  /** One after the other. */
  mutatingWebhooksMs: number;
  /** Of those asked side by side the longest. */
  validatingWebhooksMs: number;
}

export const allElsewhereMs = ({ queuedMs, mutatingWebhooksMs, validatingWebhooksMs }: TimeElsewhere): number =>
  queuedMs + mutatingWebhooksMs + validatingWebhooksMs;
