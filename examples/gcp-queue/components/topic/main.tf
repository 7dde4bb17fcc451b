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

provider "google" {
  project = var.project_id
}

resource "google_pubsub_topic" "work" {
  name = var.name
}

output "name" {
  value = google_pubsub_topic.work.name
}
