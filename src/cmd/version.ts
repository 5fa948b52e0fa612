declare const KEDGE_VERSION: string;

/** Of this package; set when it is built. */
export const VERSION: string = typeof KEDGE_VERSION === 'string' ? KEDGE_VERSION : 'development';
