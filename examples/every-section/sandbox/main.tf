variable "name" {
  type = string
}

variable "subnets" {
  type = string
}

variable "region" {
  type = string
}

resource "terraform_data" "base" {
  input = "base-of-${var.name}"
}

output "name" {
  value = terraform_data.base.output
}
