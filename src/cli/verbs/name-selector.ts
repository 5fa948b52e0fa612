/** A field selector that also asks for one name. */
export const fieldSelectorOfName = (fieldSelector: string, name: string): string =>
  [fieldSelector, name && `metadata.name=${name}`].filter(Boolean).join(',');
