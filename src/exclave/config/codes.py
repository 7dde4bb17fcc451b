"""Every finding by its code: what it means, and what to do. The page `docs/guides/errors.md` and `config explain` are printed
from here.

A code never changes its meaning and is never used again for another.
"""

from __future__ import annotations

from typing import NamedTuple

from exclave.config.reports import Severity


class Code(NamedTuple):
    """One kind of finding."""

    title: str
    severity: Severity
    why: str
    wrong: str = ""
    right: str = ""


CODES: dict[str, Code] = {
    # Files and directories
    "EX-C001": Code("The app directory cannot be read", "error", "The path names nothing, or a file, or is not readable."),
    "EX-C002": Code(
        "A required file is missing",
        "error",
        "Every app has metadata.toml, runner.toml and sandbox.toml; an empty file counts as missing.",
    ),
    "EX-C003": Code(
        "A section is given twice",
        "error",
        "A section is either one file or a directory of files: policies.toml or policies/, never both.",
    ),
    "EX-C004": Code("A file cannot be read", "error", "The file is not UTF-8 text, or may not be read."),
    "EX-C005": Code(
        "A file is too big",
        "error",
        "A TOML file holds at most 1 MiB, 20,000 keys and 64 levels; a loaded text at most 4 MiB; an app at most 20,000 files.",
    ),
    "EX-C006": Code(
        "A link leads out of the app directory",
        "error",
        "An app is complete in its directory, so that it means the same on every machine. Copy the file into the app.",
    ),
    "EX-C007": Code(
        "A file or directory is not read",
        "warning",
        "Its name is none that the configuration knows, often because it is misspelt; or it is a link to a directory.",
        "component/",
        "components/",
    ),
    # TOML
    "EX-C010": Code("The file is not TOML", "error", "Reading stops at the first character that cannot be.", "name = api", 'name = "api"'),
    "EX-C011": Code("A key is set twice", "error", "TOML refuses a second value, and so do we.", 'name = "a"\nname = "b"', 'name = "a"'),
    # Keys and values
    "EX-C012": Code(
        "Unknown key",
        "warning",
        "Nothing reads the key, so what it says has no effect. With --strict this is an error.",
        'terrafrom_version = "1.11.3"',
        'terraform_version = "1.11.3"',
    ),
    "EX-C013": Code(
        "Wrong type",
        "error",
        "The value is of another type than the key takes.",
        'max_auto_retries = "5"',
        "max_auto_retries = 5",
    ),
    "EX-C014": Code("A required key is missing", "error", "The section means nothing without it."),
    "EX-C015": Code("A required value is empty", "error", "The key is there, and says nothing."),
    "EX-C016": Code("Value not allowed", "error", "The key takes one of a few values.", 'runner_type = "amazon"', 'runner_type = "aws"'),
    "EX-C017": Code(
        "Value of the wrong form", "error", "The value must match a pattern.", 'name = "My Component"', 'name = "my_component"'
    ),
    "EX-C018": Code(
        "Exactly one of several keys is needed",
        "error",
        "The keys exclude one another, and one of them must be there.",
        "[public_repo]\n...\n[connected_repo]\n...",
        "[public_repo]\n...",
    ),
    "EX-C019": Code("Former key", "error", "The key had another form once.", '[[env_var]]\nname = "A"\nvalue = "b"', '[env_vars]\nA = "b"'),
    "EX-C020": Code("Not yet used", "note", "The key is known, checked and kept, but nothing acts on it yet. Reported once for each key."),
    "EX-C021": Code(
        "Key spelt in another way",
        "warning",
        "The key is read, under its usual name.",
        'schedule = "0 2 * * *"',
        'cron_schedule = "0 2 * * *"',
    ),
    "EX-C022": Code(
        "A key is given in two spellings",
        "error",
        "Keys are compared without regard to upper and lower case.",
        'Name = "a"\nname = "b"',
        'name = "a"',
    ),
    "EX-C023": Code("Not a duration", "error", "Durations are numbers with units: h, m, s, ms.", 'timeout = "5 minutes"', 'timeout = "5m"'),
    "EX-C024": Code(
        "Duration out of bounds",
        "error",
        "An action runs for one hour at most, and longer than nothing.",
        'timeout = "2h"',
        'timeout = "1h"',
    ),
    "EX-C025": Code(
        "Not a schedule",
        "error",
        "A schedule is a cron expression of five fields.",
        'cron_schedule = "daily"',
        'cron_schedule = "0 2 * * *"',
    ),
    "EX-C026": Code(
        "Not an address",
        "error",
        "The value must be a whole https address.",
        'init_script_url = "init.sh"',
        'init_script_url = "https://example.com/init.sh"',
    ),
    "EX-C027": Code("Not JSON", "error", "The value, once loaded, must be JSON; templates may stand inside its texts."),
    "EX-C028": Code("Not YAML", "error", "The value, once loaded, must be YAML."),
    "EX-C029": Code("The policy does not parse", "error", "A Kyverno policy is one YAML mapping, an OPA policy is a Rego module."),
    "EX-C030": Code(
        "Not a version",
        "error",
        "Terraform versions have three numbers.",
        'terraform_version = "latest"',
        'terraform_version = "1.11.3"',
    ),
    "EX-C031": Code(
        "Not a repository",
        "error",
        "A repository is `owner/name`, or an https address.",
        'repo = "git@github.com:acme/app"',
        'repo = "acme/app"',
    ),
    "EX-C032": Code(
        "Name with a hyphen",
        "warning",
        "Servers other than Exclave refuse `-` in the names of components.",
        'name = "my-api"',
        'name = "my_api"',
    ),
    # Loaded values
    "EX-C033": Code(
        "A file that a value names is missing",
        "error",
        "Looked for below the section's directory, beside the file, and in the app directory.",
    ),
    "EX-C034": Code(
        "A path leaves the app directory",
        "error",
        "Values may only load files of the app itself.",
        'contents = "../shared/x.json"',
        'contents = "./x.json"',
    ),
    "EX-C035": Code(
        "Network needed, and refused",
        "error",
        "With --offline nothing is fetched. Copy the text into the app, or leave the option out.",
    ),
    "EX-C036": Code("A value could not be fetched", "error", "The address did not answer in time, with an error, or with too much."),
    "EX-C037": Code(
        "Several files fit a path",
        "warning",
        "The path exists below more than one base, with different contents; the first is taken. Make the path unambiguous.",
    ),
    # Names
    "EX-C040": Code("A name is given twice", "error", "Names are how things find one another."),
    "EX-C041": Code("Unknown component", "error", "No component of the app has this name."),
    "EX-C042": Code(
        "A component depends on itself",
        "error",
        "Nothing can be deployed before itself.",
        'name = "api"\ndependencies = ["api"]',
        'name = "api"',
    ),
    "EX-C043": Code(
        "Components depend on one another in a circle",
        "error",
        "No order of deployment exists. Remove one of the edges that the report prints.",
    ),
    "EX-C044": Code("A dependency is listed twice", "warning", "The second says nothing."),
    "EX-C045": Code("Unknown group", "error", "An input is shown in a group, and the group must exist."),
    "EX-C046": Code("Unknown trigger", "error", "No event has this name.", 'type = "after-deploy"', 'type = "post-deploy-component"'),
    "EX-C047": Code(
        "A trigger lacks or does not take a component",
        "error",
        "The four component triggers name a component, the others do not.",
    ),
    "EX-C048": Code(
        "A cron trigger without a schedule, or the reverse",
        "error",
        "`cron_schedule` belongs to the trigger `cron`, and to no other.",
    ),
    "EX-C049": Code("Several cron triggers", "error", "An action has one schedule. Write a second action."),
    "EX-C050": Code("Unknown action", "error", "No action of the app has this name."),
    "EX-C051": Code("A role is given twice", "error", "The types provision, deprovision and maintenance exist once each."),
    "EX-C052": Code("A role is missing", "error", "Permissions need the three roles provision, deprovision and maintenance."),
    "EX-C053": Code("A policy entry says nothing", "error", "A role's policy names a managed policy, or has a name and contents."),
    "EX-C054": Code("A secret contradicts itself", "error", "`required`, `auto_generate` and `default` exclude one another."),
    "EX-C055": Code("A synchronised secret lacks its destination", "error", "With `kubernetes_sync` a namespace and a name are needed."),
    "EX-C056": Code("Unknown role", "warning", "No role of the app has this name; it may be one of the customer's."),
    "EX-C057": Code("An install sets an unknown input", "error", "No input of the app has this name."),
    "EX-C058": Code("An install lacks a required input", "warning", "The install cannot be created from the file alone."),
    "EX-C059": Code("An input's default does not fit its type", "error", "The default must be a value of the input's own type."),
    "EX-C060": Code("Unknown kind of component", "error", "The kind decides which keys a component has."),
    "EX-C061": Code("A step does nothing", "error", "A step has a command or inline contents."),
    "EX-C062": Code("Refused by other servers", "warning", "Exclave accepts this, the original server does not."),
    # Templates
    "EX-C070": Code(
        "The template does not parse",
        "error",
        "Templates are those of Go: `{{ .nuon.install.id }}`.",
        '"{{ .nuon.install.id }"',
        '"{{ .nuon.install.id }}"',
    ),
    "EX-C071": Code(
        "Unknown template variable",
        "error",
        "Nothing provides a value at this path.",
        "{{ .nuon.instal.id }}",
        "{{ .nuon.install.id }}",
    ),
    "EX-C072": Code("Unknown input in a template", "error", "No input of the app has this name."),
    "EX-C073": Code("Unknown component in a template", "error", "No component of the app has this name."),
    "EX-C074": Code("Unknown secret in a template", "error", "No secret of the app has this name."),
    "EX-C075": Code("Unknown action in a template", "error", "No action of the app has this name."),
    "EX-C076": Code(
        "A component's value without `outputs`",
        "error",
        "What a component gives is below `outputs`.",
        "{{ .nuon.components.storage.bucket_name }}",
        "{{ .nuon.components.storage.outputs.bucket_name }}",
    ),
    "EX-C077": Code(
        "Used before it exists",
        "error",
        "An install comes to life in an order: inputs, stack, runner, sandbox, secrets, components, actions. "
        "A value can be used only after its stage.",
    ),
    "EX-C078": Code(
        "A path that gives nothing",
        "warning",
        "The path is often written, and no server provides it.",
        "{{ .nuon.install.secrets.x }}",
        "{{ .nuon.secrets.x.name }}",
    ),
    "EX-C079": Code("A template where none is rendered", "warning", "The value is used as it is written, braces and all."),
    "EX-C080": Code("A component uses its own outputs", "error", "They exist only once it is deployed."),
}
