#!/bin/sh
# Writes the lock files anew from the requirements.in beside them. Needs uv; run it in `images/`.
# The CPU build of torch is looked for where UV_FIND_LINKS or UV_INDEX point; its own lock is
# torch-cpu.txt, written by hand. No address of an index gets into a lock.
set -eu
cd "$(dirname "$0")/.."

names() { grep -ohE '^[a-z0-9._-]+==' "$@" | sed 's/==//; s/^/--no-emit-package /'; }
compile() { uv pip compile -q --python-version 3.11 --no-header --no-annotate "$@"; }
pins() { grep -v '^#' | sed '/^$/d'; }

# jsonschema does without rfc3987-syntax, which costs each start over a second, and its lark.
compile base/requirements.in --no-emit-package rfc3987-syntax --no-emit-package lark \
    | pins > base/requirements.txt
# shellcheck disable=SC2046  # one word a name
compile imaging/requirements.in $(names base/requirements.txt) --no-emit-package torch \
    | pins > imaging/requirements.txt
{
    echo "# The CUDA build, with NVIDIA's libraries; its other packages are in requirements.txt."
    # shellcheck disable=SC2046
    env -u UV_FIND_LINKS -u UV_INDEX uv pip compile -q --python-version 3.11 --no-header \
        --no-annotate imaging/torch-cpu.txt -c base/requirements.txt -c imaging/requirements.txt \
        $(names base/requirements.txt imaging/requirements.txt) | pins
} > imaging/torch-cuda.txt
