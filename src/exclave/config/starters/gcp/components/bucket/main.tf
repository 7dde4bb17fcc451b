terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

variable "name" {
  type = string
}

variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

provider "google" {
  project = var.project_id
  region  = var.region
}

resource "google_storage_bucket" "this" {
  name                        = var.name
  location                    = var.region
  uniform_bucket_level_access = true
}

output "name" {
  value = google_storage_bucket.this.name
}
