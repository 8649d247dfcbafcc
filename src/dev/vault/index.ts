export { createVault, type EmbeddedVault, type VaultOptions } from './vault.ts'
