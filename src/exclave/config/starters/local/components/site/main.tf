variable "base" {
  type = string
}

variable "greeting" {
  type = string
}

resource "terraform_data" "page" {
  input = "${var.greeting} from ${var.base}"
}

output "page" {
  value = terraform_data.page.output
}
