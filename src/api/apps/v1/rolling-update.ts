/** A rolling update as messages show it: by upstream's names of the fields, in Go. */
interface RollingUpdate {
  maxUnavailable?: number | string;
  maxSurge?: number | string;
}

export const rollingUpdateInGo = (rolling: RollingUpdate | undefined): object | null =>
  rolling ? { MaxUnavailable: rolling.maxUnavailable ?? null, MaxSurge: rolling.maxSurge ?? null } : null;
