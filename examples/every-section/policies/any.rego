package nuon

import rego.v1

deny contains msg if {
	input.forbidden
	msg := "this is forbidden"
}
