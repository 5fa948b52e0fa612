/**
 * Conversion between the versions of a custom kind by the webhook that its definition names. Objects go in batches, so
 * that a list of thousands is some requests and none of them holds the thread. Source: "Versions in
 * CustomResourceDefinitions", "Webhook conversion".
 */
import type { CustomResourceConversion } from '#api/generated/schema.ts';
import type { Converter } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { type Random, randomUuid } from '#base/random.ts';
import type { WebhookClient, WebhookClientServices } from '../admission/webhooks/webhook-client.ts';
import { conversionReview, readConversionReview, reviewVersionOf } from './conversion-review.ts';
import { checkConverted } from './converted-object.ts';

export interface WebhookConverterServices extends WebhookClientServices {
  client: WebhookClient;
  clock: Clock;
  random: Random;
}

/** Upstream's; it is in the address of each request too. */
const TIMEOUT_SECONDS = 30;
const MAX_BATCH_OBJECTS = 500;
/** Characters. An answer may be three times as long before it is refused. */
const MAX_BATCH_TEXT = 2 * 1024 * 1024;
const PORT = 443;

export class WebhookConverter implements Converter {
  readonly #conversion: NonNullable<CustomResourceConversion['webhook']>;
  readonly #services: WebhookConverterServices;

  constructor(conversion: NonNullable<CustomResourceConversion['webhook']>, services: WebhookConverterServices) {
    this.#conversion = conversion;
    this.#services = services;
  }

  /** In the same order. What has the version already is not sent. Throws a StatusError without a reason, as upstream. */
  async convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
    const converted = [...objects];
    for (const batch of batchesOf(objects, apiVersion)) {
      const made = await this.#convertBatch(batch, apiVersion);
      for (const [at, { index }] of batch.entries()) converted[index] = made[at]!;
    }
    return converted;
  }

  async #convertBatch(batch: readonly ToConvert[], apiVersion: string): Promise<KubeObject[]> {
    const { conversionReviewVersions, clientConfig } = this.#conversion;
    const version = reviewVersionOf(conversionReviewVersions);
    if (!version) throw new StatusError('', 'no supported conversion review versions');
    const { client, random } = this.#services;
    const uid = randomUuid(random);
    const failed = (problem: string) =>
      new StatusError('', `conversion webhook for ${typeOf(batch[0]!.object)} ${problem}`);
    const body = conversionReview(version, { uid, apiVersion, objects: batch.map(({ text }) => text) });
    const config = withPort(clientConfig ?? {});
    const answer = await client.post({ config, body, timeoutSeconds: TIMEOUT_SECONDS }, this.#services);
    if ('problem' in answer) throw failed(`failed: ${answer.problem}`);
    const read = readConversionReview(answer.text, { version, uid });
    if ('problem' in read) throw failed(`failed: ${read.problem}`);
    if (read.objects.length !== batch.length)
      throw failed(`returned ${read.objects.length} objects, expected ${batch.length}`);
    const isList = batch.length > 1;
    return batch.map(({ object }, index) => {
      const checked = checkConverted(object, read.objects[index], apiVersion, { index, isList });
      if ('problem' in checked) throw failed(checked.problem);
      return checked.object;
    });
  }
}

interface ToConvert {
  index: number;
  object: KubeObject;
  text: string;
}

function* batchesOf(objects: readonly KubeObject[], apiVersion: string): Generator<ToConvert[]> {
  let batch: ToConvert[] = [];
  let length = 0;
  for (const [index, object] of objects.entries()) {
    if (object.apiVersion === apiVersion) continue;
    const text = JSON.stringify(object);
    if (batch.length === MAX_BATCH_OBJECTS || (batch.length > 0 && length + text.length > MAX_BATCH_TEXT)) {
      yield batch;
      [batch, length] = [[], 0];
    }
    batch.push({ index, object, text });
    length += text.length;
  }
  if (batch.length > 0) yield batch;
}

const typeOf = ({ apiVersion, kind }: KubeObject): string => `${apiVersion}, Kind=${kind}`;

type ClientConfig = Parameters<WebhookClient['post']>[0]['config'];

const withPort = ({ service, ...rest }: ClientConfig): ClientConfig =>
  service ? { ...rest, service: { ...service, port: service.port ?? PORT } } : rest;
