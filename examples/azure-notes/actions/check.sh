#!/bin/sh
set -eu
az storage account show --name "$ACCOUNT" --query statusOfPrimary --output tsv
