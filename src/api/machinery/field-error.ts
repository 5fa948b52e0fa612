/** One thing that is wrong with a submitted object. Validation returns all of them at once. Texts: apimachinery, field errors. */
export interface FieldError {
  /** The cause's reason on the wire, e.g. FieldValueInvalid. */
  reason: FieldErrorReason;
  /** `spec.containers[0].name`, as kubectl prints it. */
  field: string;
  /** The whole text behind the field, e.g. `Invalid value: "x": must be …`. */
  message: string;
}

export type FieldErrorReason =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';
