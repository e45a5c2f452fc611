terraform {
  required_version = "< 2"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "< 5"
    }
  }
}

variable "vault" {
  type = string
}

variable "issuer" {
  type = string
}

resource "azurerm_user_assigned_identity" "operator" {
  name                = "operator"
  resource_group_name = "secrets"
  location            = "westeurope"
}

resource "azurerm_federated_identity_credential" "operator" {
  name                = "operator"
  resource_group_name = "secrets"
  parent_id           = azurerm_user_assigned_identity.operator.id
  issuer              = var.issuer
  subject             = "system:serviceaccount:secrets:operator"
  audience            = ["api://AzureADTokenExchange", "sts.amazonaws.com"]
}

resource "azurerm_key_vault_access_policy" "operator" {
  key_vault_id            = var.vault
  tenant_id               = data.azurerm_client_config.current.tenant_id
  object_id               = azurerm_user_assigned_identity.operator.principal_id
  certificate_permissions = ["Get"]
}
