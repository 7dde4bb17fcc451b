region = "{{ .nuon.install_stack.outputs.region }}"
