import { describe, expect, test } from 'vitest';
import { attributesOfReview, reviewSpecOf } from './review-attributes.ts';

const user = { name: 'alice', groups: ['dev'] };
const pods = { verb: 'list', resource: 'pods' };
const read = (resourceAttributes: object) => attributesOfReview({ resourceAttributes }, user);

describe('a review of a request with selectors', () => {
  test.each([
    [{ fieldSelector: { rawSelector: 'spec.nodeName=one' } }, { fieldSelector: 'spec.nodeName=one' }, []],
    [
      { fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['one'] }] } },
      { fieldSelector: 'spec.nodeName=one' },
      [],
    ],
    [
      { labelSelector: { requirements: [{ key: 'a', operator: 'NotIn', values: ['c', 'b'] }] } },
      { labelSelector: 'a notin (b,c)' },
      [],
    ],
    [
      { fieldSelector: { rawSelector: 'a' }, labelSelector: { rawSelector: 'in (' } },
      {},
      [
        'spec.resourceAttributes.fieldSelector ignored due to parse error',
        'spec.resourceAttributes.labelSelector ignored due to parse error',
      ],
    ],
    [
      {
        fieldSelector: {
          requirements: [
            { key: 'a', operator: 'In', values: ['1'] },
            { key: 'b', operator: 'Exists' },
          ],
        },
      },
      { fieldSelector: 'a=1' },
      ['spec.resourceAttributes.fieldSelector partially ignored due to parse error'],
    ],
  ])('%j', (selectors, attributes, problems) => {
    const found = read({ ...pods, ...selectors });
    const { fieldSelector, labelSelector } = found.attributes as { fieldSelector?: string; labelSelector?: string };
    expect({ ...(fieldSelector && { fieldSelector }), ...(labelSelector && { labelSelector }) }).toEqual(attributes);
    expect(found.problems).toEqual(problems);
  });
});

test('what a service is asked leaves out what is empty and says selectors as requirements', () => {
  const attributes = {
    user: { ...user, uid: 'u', extra: { k: ['v'] } },
    verb: 'list',
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'dev',
    name: '',
    fieldSelector: 'spec.nodeName=one,status.phase!=Failed',
    labelSelector: 'app=web,!canary',
  };
  expect(reviewSpecOf(attributes)).toEqual({
    user: 'alice',
    uid: 'u',
    groups: ['dev'],
    extra: { k: ['v'] },
    resourceAttributes: {
      namespace: 'dev',
      verb: 'list',
      version: 'v1',
      resource: 'pods',
      fieldSelector: {
        requirements: [
          { key: 'spec.nodeName', operator: 'In', values: ['one'] },
          { key: 'status.phase', operator: 'NotIn', values: ['Failed'] },
        ],
      },
      labelSelector: {
        requirements: [
          { key: 'app', operator: 'In', values: ['web'] },
          { key: 'canary', operator: 'DoesNotExist' },
        ],
      },
    },
  });
  expect(reviewSpecOf({ user, verb: 'get', path: '/metrics' })).toEqual({
    user: 'alice',
    groups: ['dev'],
    nonResourceAttributes: { path: '/metrics', verb: 'get' },
  });
});
