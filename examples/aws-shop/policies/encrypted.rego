package nuon

import rego.v1

# A bucket that is created must be encrypted in the same plan.
deny contains msg if {
	some change in input.resource_changes
	change.type == "aws_s3_bucket"
	"create" in change.change.actions
	not encrypted
	msg := sprintf("%s is not encrypted", [change.address])
}

encrypted if {
	some change in input.resource_changes
	change.type == "aws_s3_bucket_server_side_encryption_configuration"
}
