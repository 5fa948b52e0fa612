/** How the versions of a custom kind are converted: by nobody, or by a webhook. Paths and texts as upstream's. */
import type { CustomResourceConversion, CustomResourceDefinitionSpec } from '#api/generated/schema.ts';
import { fromBase64 } from '#api/machinery/base64.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { dns1035Label } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateWebhookService, validateWebhookUrl } from '#api/machinery/webhook-address.ts';

/** Of ConversionReview. */
const KNOWN_VERSIONS: readonly string[] = ['v1', 'v1beta1'];
const WEBHOOK_PORT = 443;

const AT = 'spec.conversion';
const CLIENT = `${AT}.webhookClientConfig`;

export function withConversionDefaults(conversion: CustomResourceConversion | undefined): CustomResourceConversion {
  const service = conversion?.webhook?.clientConfig?.service;
  if (!conversion) return { strategy: 'None' };
  if (!service) return conversion;
  const clientConfig = {
    ...conversion.webhook!.clientConfig,
    service: { ...service, port: service.port ?? WEBHOOK_PORT },
  };
  return { ...conversion, webhook: { ...conversion.webhook!, clientConfig } };
}

/** `isServed`: a certificate that cannot be read must not come to a kind that is in use. */
export function validateConversion(
  { strategy, webhook }: CustomResourceConversion,
  { current, isServed }: { current?: CustomResourceConversion; isServed: boolean },
): FieldError[] {
  const errors = validateStrategy(strategy);
  const { clientConfig, conversionReviewVersions = [] } = webhook ?? {};
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    if (clientConfig) errors.push(forbiddenField(CLIENT, why));
    if (conversionReviewVersions.length > 0) errors.push(forbiddenField(`${AT}.conversionReviewVersions`, why));
    return errors;
  }
  if (!clientConfig) errors.push(requiredValue(CLIENT, 'required when strategy is set to Webhook'));
  else errors.push(...validateClient(clientConfig));
  if (clientConfig?.caBundle && isServed && isReadable(current?.webhook?.clientConfig?.caBundle))
    errors.push(...validateBundle(clientConfig.caBundle));
  const known = current?.webhook?.conversionReviewVersions ?? [];
  const mustBeKnown = known.length === 0 || known.some((version) => KNOWN_VERSIONS.includes(version));
  return [...errors, ...validateReviewVersions(conversionReviewVersions, mustBeKnown)];
}

const STRATEGIES = ['None', 'Webhook'];

function validateStrategy(strategy: string): FieldError[] {
  if (!strategy) return [requiredValue(`${AT}.strategy`)];
  return STRATEGIES.includes(strategy) ? [] : [notSupportedValue(`${AT}.strategy`, strategy, STRATEGIES)];
}

type ClientConfig = NonNullable<NonNullable<CustomResourceConversion['webhook']>['clientConfig']>;

function validateClient({ url, service }: ClientConfig): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [requiredValue(CLIENT, 'exactly one of url or service is required')];
  return url === undefined
    ? validateWebhookService(service!, `${CLIENT}.service`)
    : validateWebhookUrl(url, `${CLIENT}.url`);
}

/** Whether whoever converts can be known by the authority that stands there. */
export const hasUsableBundle = ({ conversion }: Pick<CustomResourceDefinitionSpec, 'conversion'>): boolean =>
  isReadable(conversion?.webhook?.clientConfig?.caBundle);

const isReadable = (bundle: string | undefined): boolean => !bundle || validateBundle(bundle).length === 0;

function validateBundle(bundle: string): FieldError[] {
  const bytes = fromBase64(bundle);
  if (bytes instanceof Uint8Array && new TextDecoder().decode(bytes).includes('-----BEGIN CERTIFICATE-----')) return [];
  const why = 'unable to load root certificates: unable to parse bytes as PEM block';
  return [invalidValue(`${CLIENT}.caBundle`, bundle, why)];
}

function validateReviewVersions(versions: readonly string[], mustBeKnown: boolean): FieldError[] {
  const at = `${AT}.conversionReviewVersions`;
  if (versions.length === 0) return [requiredValue(at)];
  const repeated = repeatedIn(versions);
  const errors = versions.flatMap((version, index) =>
    repeated.has(index)
      ? [invalidValue(`${at}[${index}]`, version, 'duplicate version')]
      : dns1035Label(version).map((text) => invalidValue(`${at}[${index}]`, version, text)),
  );
  if (mustBeKnown && !versions.some((version) => KNOWN_VERSIONS.includes(version)))
    errors.push(invalidValue(at, versions, `must include at least one of ${KNOWN_VERSIONS.join(', ')}`));
  return errors;
}
