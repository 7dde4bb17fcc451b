variable "image" {
  type = string
}

variable "bucket" {
  type = string
}

variable "queue" {
  type = string
}

variable "domain" {
  type = string
}

variable "size" {
  type = number
}

variable "subnets" {
  type = list(string)
}

variable "session_key_arn" {
  type = string
}

# A real shop has its service here; the example stays with what needs no provider.
resource "terraform_data" "web" {
  input = {
    image  = var.image
    bucket = var.bucket
    queue  = var.queue
    size   = var.size
  }
}

output "address" {
  value = "https://${var.domain}/"
}
