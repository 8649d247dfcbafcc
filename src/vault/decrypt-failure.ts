/** What the failure of one request says of others under the same Transit key. */
import { isSecretManagerError, type SecretManagerError } from '../errors.ts'

/** Whether Vault denied the request. */
export function isDenied(error: unknown): boolean {
  return isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED'
}

/** Whether Vault, or a gateway, is well and does not want this very request. */
export function isRefusal(error: unknown): boolean {
  if (!isSecretManagerError(error)) return false
  return error.code === 'SM_VAULT_REJECTED' || error.component === 'ciphertext'
}

/** As often as a plain decrypt asks whether a standby has caught up. */
const TOO_NEW_BELIEVED_AFTER = 3

/** Whether one more request can end better, after so many that failed. */
export function canRecover({ code, retryable }: SecretManagerError, failures: number): boolean {
  if (!retryable || code === 'SM_VAULT_BAD_RESPONSE') return false
  return code !== 'SM_CT_TOO_NEW' || failures < TOO_NEW_BELIEVED_AFTER
}
