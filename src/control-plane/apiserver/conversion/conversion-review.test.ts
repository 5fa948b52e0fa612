import { expect, test } from 'vitest';
import { conversionReview, readConversionReview, reviewVersionOf } from './conversion-review.ts';

test('the first version that is known is spoken', () => {
  expect(reviewVersionOf(['v9', 'v1beta1', 'v1'])).toBe('v1beta1');
  expect(reviewVersionOf(['v9'])).toBeUndefined();
});

test('a question holds the objects as they are', () => {
  const text = conversionReview('v1', { uid: 'u', apiVersion: 'g/v2', objects: ['{"a":1}', '{"b":2}'] });
  expect(JSON.parse(text)).toEqual({
    kind: 'ConversionReview',
    apiVersion: 'apiextensions.k8s.io/v1',
    request: { uid: 'u', desiredAPIVersion: 'g/v2', objects: [{ a: 1 }, { b: 2 }] },
  });
});

const answer = (response: object | undefined, type: object = {}) =>
  JSON.stringify({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', ...type, response });

test.each([
  [answer({ uid: 'u', result: { status: 'Success' }, convertedObjects: [1] }), { objects: [1] }],
  [answer({ uid: 'u', result: { status: 'Success' } }), { objects: [] }],
  [answer(undefined), { problem: 'no response provided' }],
  [answer({ uid: 'w' }), { problem: 'expected response.uid="u", got "w"' }],
  [
    answer({ uid: 'u', result: { status: 'Failure' } }),
    { problem: "response.result.status was 'Failure', not 'Success'" },
  ],
  [answer({ uid: 'u', result: { status: 'Failure', message: 'why' } }), { problem: 'why' }],
  [
    answer({}, { kind: 'Other' }),
    {
      problem:
        'expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other',
    },
  ],
])('%s is read as %j', (text, expected) => {
  expect(readConversionReview(text, { version: 'v1', uid: 'u' })).toEqual(expected);
});

test('v1beta1 does not say for which question it is', () => {
  const text = answer({ result: { status: 'Success' }, convertedObjects: [2] }, { kind: '', apiVersion: '' });
  expect(readConversionReview(text, { version: 'v1beta1', uid: 'u' })).toEqual({ objects: [2] });
});

test('what is no JSON is told', () => {
  expect(readConversionReview('<html>', { version: 'v1', uid: 'u' })).toEqual({
    problem: expect.stringContaining("couldn't get version/kind; json parse error:"),
  });
});
