terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "< 7"
    }
  }
}

data "google_project" "current" {}

resource "google_project_iam_member" "operator" {
  project = data.google_project.current.project_id
  role    = "roles/secretmanager.secretAccessor"
  member = format(
    "principal://iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s.svc.id.goog/subject/ns/%s/sa/%s",
    data.google_project.current.number,
    data.google_project.current.project_id,
    "secrets",
    "operator",
  )
}

resource "google_secret_manager_secret_iam_member" "database" {
  secret_id = "database"
  role      = "roles/secretmanager.secretAccessor"
  member    = "principal://iam.googleapis.com/projects/blue-project/locations/global/workloadIdentityPools/blue/subject/system:serviceaccount:secrets:operator"
}

resource "google_iam_workload_identity_pool" "cluster" {
  workload_identity_pool_id = "gcp-blue"
}

resource "google_iam_workload_identity_pool_provider" "cluster" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.cluster.workload_identity_pool_id
  workload_identity_pool_provider_id = "cluster"
  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  oidc {
    issuer_uri = "https://oidc.example.com/blue"
  }
}
