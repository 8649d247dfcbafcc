/**
 * What a pod of ours may do, which is less than any namespace demands.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
 */

/** Nobody's: an image that would run as root runs all the same. */
const USER = 65_532

/** `securityContext` of the pod. */
export const POD_SECURITY: object = {
  runAsNonRoot: true,
  runAsUser: USER,
  // The token is readable for its group alone.
  fsGroup: USER,
  seccompProfile: { type: 'RuntimeDefault' },
}

/** `securityContext` of its container. */
export const CONTAINER_SECURITY: object = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}
