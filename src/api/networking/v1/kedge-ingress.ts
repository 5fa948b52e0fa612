/** The class of Ingresses that every cluster with real nodes serves itself. */

/** What manifests commonly ask for. */
export const INGRESS_CLASS = 'nginx';
/** Not ingress-nginx' own: it may be installed beside, with a class of its own. */
export const INGRESS_CONTROLLER = 'kedge.dev/ingress-nginx';
