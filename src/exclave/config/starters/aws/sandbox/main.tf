terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "install_id" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "region" {
  type = string
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { "install" = var.install_id }
  }
}

resource "aws_kms_key" "data" {
  description             = "Data of ${var.install_id}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

output "kms_key_arn" {
  value = aws_kms_key.data.arn
}
