variable "greeting" { type = string }

variable "address" { type = string }

variable "database_url" {
  type      = string
  sensitive = true
}

resource "terraform_data" "web" {
  input = "${var.greeting} from ${var.address}"

  provisioner "local-exec" {
    command = "echo \"web is up at ${var.address}\""
  }
}

output "page" { value = terraform_data.web.output }
