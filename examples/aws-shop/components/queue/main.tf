terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "name" {
  type = string
}

variable "region" {
  type = string
}

provider "aws" {
  region = var.region
}

resource "aws_sqs_queue" "orders" {
  name                    = var.name
  sqs_managed_sse_enabled = true
}

output "url" {
  value = aws_sqs_queue.orders.url
}
