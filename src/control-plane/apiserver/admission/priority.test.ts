import { beforeEach, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, priorityClass } from '#testing/admission-fixture.ts';

let cluster: AdmissionFixture['cluster'];
let admit: AdmissionFixture['admit'];
beforeEach(() => {
  ({ cluster, admit } = admissionFixture());
});

test('only one PriorityClass is the default', async () => {
  const { PriorityClass } = await import('#api/scheduling/v1/priority-class.ts');
  cluster.put(priorityClass('usual', 5, { globalDefault: true }));
  const attempt = (name: string) =>
    admit(PriorityClass, { object: priorityClass(name, 6, { globalDefault: true }) as PriorityClassObject });
  type PriorityClassObject = import('#api/scheduling/v1/priority-class.ts').PriorityClass;
  await expect(attempt('usual')).resolves.toBeDefined();
  await expect(attempt('second')).rejects.toThrow('PriorityClass usual is already marked as default');
});
