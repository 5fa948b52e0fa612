/**
 * Storage out of the box: folders of the nodes. The name is that of the provisioner, of the kubelet's built-in driver and
 * of its CSIDriver; what is made has the claim's uid in its name.
 */
export const LOCAL_PATH = 'local-path.kedge.dev';
/** The class that claims get unless they or an administrator say otherwise. */
export const LOCAL_PATH_CLASS = 'local-path';
