/** `npm run graph`: draws which controller reads and writes what. A guard tells when the drawing is of yesterday. */
import { writeFileSync } from 'node:fs';
import { fromRoot } from '../generate/generated-files.ts';
import { controllersPage, PAGE } from './page.ts';

writeFileSync(fromRoot(PAGE), controllersPage());
process.stdout.write(`${PAGE}\n`);
