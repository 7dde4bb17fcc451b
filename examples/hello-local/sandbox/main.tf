variable "install_id" { type = string }

variable "region" { type = string }

resource "terraform_data" "ground" {
  input = {
    install = var.install_id
    region  = var.region
  }
}

output "region" { value = terraform_data.ground.output.region }

output "zone" { value = "${terraform_data.ground.output.region}-a" }
