variable "zone" { type = string }

variable "password" {
  type      = string
  sensitive = true
}

resource "terraform_data" "database" {
  input = "database in ${var.zone}"
}

output "url" {
  value     = "postgres://app:${var.password}@10.0.0.20/app"
  sensitive = true
}

output "zone" { value = var.zone }
