variable "region" { type = string }

resource "terraform_data" "network" {
  input = "10.0.0.0/16 in ${var.region}"
}

output "address" { value = "10.0.0.10" }

output "network" { value = terraform_data.network.output }
