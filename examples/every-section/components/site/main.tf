variable "base" {
  type = string
}

variable "greeting" {
  type = string
}

variable "zones" {
  type    = list(string)
  default = []
}

resource "terraform_data" "page" {
  input = "${var.greeting} from ${var.base}"
}

output "page" {
  value = terraform_data.page.output
}
