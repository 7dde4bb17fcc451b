#!/bin/sh
set -eu
aws s3 ls "s3://$BUCKET"
