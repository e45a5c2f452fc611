#!/bin/sh
# What Vault needs once. ISSUER is the cluster's issuer: kubectl get --raw /.well-known/openid-configuration
set -eu
vault policy write app policy.hcl

vault auth enable jwt
vault write auth/jwt/config oidc_discovery_url="$ISSUER"
vault write auth/jwt/role/app role_type=jwt user_claim=sub \
  bound_audiences=vault bound_subject=system:serviceaccount:default:app \
  token_policies=app token_ttl=1h

# Or let Vault ask the cluster:
vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host="$KUBERNETES_HOST"
vault write auth/kubernetes/role/app \
  bound_service_account_names=app bound_service_account_namespaces=default \
  token_policies=app token_ttl=1h
