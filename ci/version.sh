#!/bin/sh
# Prints the version that include/tf2/version.h gives.
sed -n 's/^#define TF2_VERSION_STRING "\(.*\)"$/\1/p' "$(dirname "$0")/../include/tf2/version.h"
