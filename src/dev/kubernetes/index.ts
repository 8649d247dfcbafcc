export { createKubernetes, type EmbeddedKubernetes, type KubernetesOptions } from './server.ts'
