path "secret/data/*" {
  capabilities = ["read"]
}

path "secret/app/db" {
  capabilities = ["read"]
}
