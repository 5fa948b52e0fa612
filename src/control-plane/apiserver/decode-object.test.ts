import { expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { decodeObject } from './decode-object.ts';
import { JSON_MEDIA_TYPE } from './request-body.ts';

const bytesOf = (object: unknown) => ({ bytes: Buffer.from(JSON.stringify(object)), contentType: JSON_MEDIA_TYPE });
const insideOf = (object: unknown) => ({ object, contentType: JSON_MEDIA_TYPE });

const warn = () => undefined;
const sent = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: {
    nodeSelector: { zone: 'a' },
    containers: [{ name: 'main', image: 'example/main:1', resources: { requests: { cpu: '1000m' } } }],
  },
};
const standing = decodeObject(Pod, insideOf(sent), { fieldValidation: 'Ignore', warn });

for (const { whose, bodyOf } of [
  { whose: 'a client over the wire', bodyOf: bytesOf },
  { whose: 'a client inside the process', bodyOf: insideOf },
]) {
  test(`what an update of ${whose} repeats is the very part that stands; the rest is brought into shape`, () => {
    const status = { phase: 'Running', conditions: [], podIP: '' };
    const body = bodyOf({ ...standing, status });
    const decoded = decodeObject(Pod, body, { fieldValidation: 'Ignore', warn, from: standing });
    expect(decoded.spec).toEqual(standing.spec);
    expect(decoded.spec.nodeSelector).toBe(standing.spec.nodeSelector);
    expect(decoded.metadata).toBe(standing.metadata);
    expect(decoded.status).toEqual({ phase: 'Running' });
  });

  test(`what an update of ${whose} says in other words is brought into shape and is not what stands`, () => {
    const body = bodyOf({ ...sent, metadata: { ...sent.metadata, labels: { app: 'other' }, finalizers: [] } });
    const decoded = decodeObject(Pod, body, { fieldValidation: 'Ignore', warn, from: standing });
    expect(decoded.metadata).toEqual({ name: 'web', namespace: 'default', labels: { app: 'other' } });
    expect(decoded.spec).toEqual(standing.spec);
    expect(decoded.spec.containers[0]?.resources).toEqual({ requests: { cpu: '1' } });
  });

  test(`an unknown field beside what an update of ${whose} repeats is warned of`, () => {
    const warnings: string[] = [];
    const body = bodyOf({ ...standing, spec: { ...standing.spec, colour: 'red' } });
    const options = {
      fieldValidation: 'Warn' as const,
      warn: (text: string) => void warnings.push(text),
      from: standing,
    };
    expect(decodeObject(Pod, body, options).spec).toEqual(standing.spec);
    expect(warnings).toEqual(['unknown field "spec.colour"']);
  });
}
