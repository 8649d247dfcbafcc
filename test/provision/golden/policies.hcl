# managed by secretmanager provision: reader of app
path "transit/decrypt/app" {
  capabilities = ["update"]
}
path "transit/decrypt/shared" {
  capabilities = ["update"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# managed by secretmanager provision: writer of app
path "transit/encrypt/app" {
  capabilities = ["update"]
}
path "transit/keys/app" {
  capabilities = ["read"]
}
path "transit/encrypt/shared" {
  capabilities = ["update"]
}
path "transit/keys/shared" {
  capabilities = ["read"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# managed by secretmanager provision: rotator of app
path "transit/rewrap/app" {
  capabilities = ["update"]
}
path "transit/keys/app" {
  capabilities = ["read"]
}
path "transit/keys/app/rotate" {
  capabilities = ["update"]
}
path "transit/keys/app/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}
path "transit/rewrap/shared" {
  capabilities = ["update"]
}
path "transit/keys/shared" {
  capabilities = ["read"]
}
path "transit/keys/shared/rotate" {
  capabilities = ["update"]
}
path "transit/keys/shared/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
