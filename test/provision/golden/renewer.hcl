# managed by secretmanager provision: renewer of kubernetes-default
path "auth/kubernetes-default/config" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "kubernetes_host" = ["https://10.0.0.1:16443"]
    "kubernetes_ca_cert" = ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
    "disable_local_ca_jwt" = [true]
    "token_reviewer_jwt" = []
  }
}
path "sys/auth" {
  capabilities = ["read"]
}
path "sys/auth/kubernetes-default/tune" {
  capabilities = ["update", "sudo"]
  allowed_parameters = {
    "description" = []
  }
}
