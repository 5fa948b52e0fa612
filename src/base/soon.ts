/**
 * What is mostly there at once and only sometimes later. An async function makes a promise and a record of its own state each
 * time, even when there is nothing to wait for; on the way of every request that is a fifth of its costs, and garbage that the
 * promise keeps alive. A chain of these makes none until something really has to be waited for.
 */
export type Soon<T> = T | Promise<T>;

/** Goes on with `value`: at once where it is there, else when it is. What `next` throws is thrown at once, too. */
export const soon = <T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> =>
  value instanceof Promise ? value.then(next) : next(value);

/** What `act` comes to or, where it fails, what `rescue` makes of the failure: `catch` for what may be done at once. */
export function otherwise<T>(act: () => Soon<T>, rescue: (error: unknown) => Soon<T>): Soon<T> {
  try {
    const value = act();
    return value instanceof Promise ? value.catch(rescue) : value;
  } catch (error) {
    return rescue(error);
  }
}

/** Runs `end` when `act` is over, however it ends: `finally` for what may be done at once. */
export function lastly<T>(act: () => Soon<T>, end: () => void): Soon<T> {
  let value: Soon<T>;
  try {
    value = act();
  } catch (error) {
    end();
    throw error;
  }
  if (value instanceof Promise) return afterwards(value, end);
  end();
  return value;
}

/** As `finally`, which makes four promises in place of one: `end` might be something to wait for. */
const afterwards = <T>(value: Promise<T>, end: () => void): Promise<T> =>
  value.then(
    (result) => {
      end();
      return result;
    },
    (error: unknown) => {
      end();
      throw error;
    },
  );
