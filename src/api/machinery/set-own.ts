/** `__proto__` becomes an ordinary key, as JSON.parse makes it: assigned, it would change the nature of the object. */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
