/** `http1Load` in a process of its own, bundled: each message is one load, each answer its times. */
import { type Http1LoadOptions, http1Load } from './http1-load.ts';

process.on('message', (options: Http1LoadOptions) => {
  http1Load(options).then(
    (load) => process.send?.(load),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
