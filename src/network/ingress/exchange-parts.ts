/** One request with everything that was found out for it, ready to be carried to a backend. */
import type { Admitted } from './admission.ts';
import type { Arrival, Request } from './arrival.ts';
import type { Choice } from './choose-upstream.ts';
import type { ExternalAuth } from './external-auth.ts';
import type { FlatHeaders } from './headers.ts';
import type { Response } from './traffic.ts';

export interface ExchangeParts {
  request: Request;
  response: Response;
  arrival: Arrival;
  admission: Admitted;
  choice: Choice;
  /** What somebody said who was asked first. */
  auth?: { asked: ExternalAuth; passes: FlatHeaders; cookies: string[] };
  /** Called once, however it ends. */
  ended(status: number, bytes: number, failedTries: number): void;
}
