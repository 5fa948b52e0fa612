/** Tells in the status of each ValidatingAdmissionPolicy what is wrong with the types in its expressions. */
import { expressionWarnings, type ServedTypes } from '#api/admissionregistration/v1/type-checking.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/v1/validating-admission-policy.ts';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { catalog } from '#api/catalog.ts';
import { facts } from '#api/generated/facts.ts';
import { builtInType } from '#api/machinery/cel/facts-type.ts';
import { schemaType } from '#api/machinery/cel/schema-type.ts';
import { defineController, settled, watching } from './define-controller.ts';

export const validatingAdmissionPolicyStatus = defineController({
  name: 'validatingadmissionpolicy-status-controller',
  reconciles: ValidatingAdmissionPolicy,
  // Looked at, not waited for: a policy is checked against what is defined when it is written.
  watches: [
    watching(
      CustomResourceDefinition,
      () => [],
      () => false,
    ),
  ],
  writes: { status: [ValidatingAdmissionPolicy] },
  when: (now, before) => now.metadata.generation !== before.metadata.generation,

  async reconcile(policy, { cached, api }) {
    const { generation = 0 } = policy.metadata;
    if (generation <= (policy.status?.observedGeneration ?? 0)) return settled;
    const warnings = expressionWarnings(policy, servedBy(cached(CustomResourceDefinition).list()));
    await api.updateStatus(policy, {
      ...policy.status,
      observedGeneration: generation,
      typeChecking: warnings.length > 0 ? { expressionWarnings: warnings } : {},
    });
    return settled;
  },
});

const servedBy = (definitions: readonly CustomResourceDefinition[]): ServedTypes => ({
  kindOf({ group, version, plural }) {
    const builtIn = catalog.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
    if (builtIn) return builtIn.kind;
    const found = definitions.find(({ spec }) => spec.group === group && spec.names.plural === plural);
    return found?.spec.versions.some(({ name, served }) => name === version && served)
      ? found.spec.names.kind
      : undefined;
  },
  typeOf({ group, version, kind }) {
    const type = facts.typeOfKind(group, version, kind);
    if (type) return builtInType(facts, type.name);
    const found = definitions.find(({ spec }) => spec.group === group && spec.names.kind === kind);
    const schema = found?.spec.versions.find(({ name }) => name === version)?.schema?.openAPIV3Schema;
    return schema && schemaType(schema, { isResourceRoot: true, name: kind });
  },
});
