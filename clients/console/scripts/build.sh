#!/usr/bin/env bash
# Builds the pages into dist/, where the next `cargo build` finds them; nothing to do where they are newer than all
# that they are made of.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

bash scripts/ready.sh
built=dist/index.html
sources=(src public index.html package-lock.json vite.config.js ../typescript/dist)
if [[ -e $built && -z $(find "${sources[@]}" -newer "$built" -type f -print -quit) ]]; then exit 0; fi
npx tsc --project tsconfig.json
rm -rf dist/*
npx vite build --logLevel warn
